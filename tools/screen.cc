#include "tools/screen.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "core/absl_text.h"
#include "core/utf8.h"

namespace kv::tools {
namespace {

bool plain(std::string_view bytes) {
  return is_utf8(bytes) && std::none_of(bytes.begin(), bytes.end(), [](char c) {
           return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '"' || c == '\\';
         });
}

}  // namespace

void Screen::line(std::string_view text) {
  progress_.clear();
  failed_ = failed_ || std::fwrite(text.data(), 1, text.size(), out_) != text.size() || std::fputc('\n', out_) == EOF;
}

void Screen::object(const Json& object) { line(object.dump(-1, ' ', false, Json::error_handler_t::replace)); }

void Screen::error(std::string_view code, std::string_view text) {
  progress_.clear();
  if (json()) {
    const Json object = {{"error", {{"code", code}, {"message", text}}}};
    fmt::print(error_, "{}\n", object.dump(-1, ' ', false, Json::error_handler_t::replace));
  } else {
    fmt::print(error_, "kvstore_tool: {}\n", harmless(text));
  }
}

bool Screen::flush() {
  progress_.clear();
  return std::fflush(out_) == 0 && !failed_;
}

void put_bytes(Json& object, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    object[name] = bytes;
  } else {
    std::string text;
    absl::Base64Escape(to_absl(bytes), &text);
    object[name + "_base64"] = text;
  }
}

std::string shown(std::string_view bytes) {
  if (plain(bytes) && !bytes.empty() && bytes.find(' ') == bytes.npos) return std::string(bytes);
  return fmt::format("\"{}\"",
                     is_utf8(bytes) ? absl::Utf8SafeCHexEscape(to_absl(bytes)) : absl::CHexEscape(to_absl(bytes)));
}

std::string about(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return fmt::format("{} bytes", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(kUnits); ++unit) value /= 1024;
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string harmless(std::string_view text) {
  return plain(text) ? std::string(text) : absl::Utf8SafeCHexEscape(to_absl(text));
}

}  // namespace kv::tools
