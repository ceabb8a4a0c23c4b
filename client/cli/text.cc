#include "client/cli/text.h"

#include <cstdint>

#include <fmt/format.h>

#include "core/printable.h"

namespace kv {
namespace {

void append_escape(std::string& out, char c) {
  switch (c) {
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
}

// Everything that is not printable, and the characters of `also` with a backslash before them.
std::string escape(std::string_view bytes, std::string_view also) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    const std::size_t size = character.size == 0 ? 1 : character.size;
    if (!is_printable(character)) {
      for (char c : bytes.substr(0, size)) append_escape(out, c);
    } else {
      if (size == 1 && also.find(bytes.front()) != also.npos) out += '\\';
      out += bytes.substr(0, size);
    }
    bytes.remove_prefix(size);
  }
  return out;
}

std::string in_quotes(std::string_view bytes) { return '"' + escape(bytes, "\\\"") + '"'; }

}  // namespace

bool is_printable(std::string_view bytes) {
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    if (!is_printable(character)) return false;
    bytes.remove_prefix(character.size);
  }
  return true;
}

std::string escaped(std::string_view bytes) { return escape(bytes, "\\"); }

std::string quoted(std::string_view bytes) {
  const bool plain = !bytes.empty() && is_printable(bytes) && bytes.find_first_of(" \\") == bytes.npos &&
                     bytes.front() != '"' && bytes.front() != '\'';
  return plain ? std::string(bytes) : in_quotes(bytes);
}

std::string shown(std::string_view bytes) {
  const bool looks_escaped = bytes.starts_with('"') && bytes.find('\\') != bytes.npos;
  return is_printable(bytes) && !looks_escaped ? std::string(bytes) : in_quotes(bytes);
}

std::string harmless(std::string_view text) { return escape(text, ""); }

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto at = [&](std::size_t k) {
      return i + k < bytes.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i + k])) : 0u;
    };
    const std::uint32_t group = at(0) << 16 | at(1) << 8 | at(2);
    const std::size_t digits = bytes.size() - i >= 3 ? 4 : bytes.size() - i + 1;
    for (std::size_t k = 0; k < 4; ++k) out += k < digits ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace kv
