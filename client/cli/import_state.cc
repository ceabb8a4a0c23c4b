#include "client/cli/import_state.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "client/cli/answer.h"
#include "client/cli/connection.h"
#include "client/cli/entry_json.h"

namespace kv {
namespace {

constexpr std::size_t kChunkBytes = 64 << 10;

std::string words_of(int number) { return std::generic_category().message(number); }

// As put_bytes() wrote it.
std::optional<std::string> file_in(const Json& state) {
  if (state.contains("file") && state["file"].is_string()) return state["file"].get<std::string>();
  if (!state.contains("file_base64") || !state["file_base64"].is_string()) return std::nullopt;
  return bytes_of_base64(state["file_base64"].get_ref<const std::string&>());
}

// As save_import_state() wrote it.
kvstore::v1::Durability level_in(const Json& state) {
  const std::string word = state.value("level", "");
  for (const auto level : {kvstore::v1::DURABILITY_OS, kvstore::v1::DURABILITY_DISK}) {
    if (word == level_word(level)) return level;
  }
  return kvstore::v1::DURABILITY_MEMORY;
}

}  // namespace

bool started_anew(const ServerStart& then, const ServerStart& now) {
  return then.time.empty() || then.instance != now.instance || then.time != now.time;
}

std::string why_lines_may_be_missing(const ImportState& state, const ServerStart& now) {
  const bool both_seen = !state.server.instance.empty() && !now.instance.empty();
  if (both_seen && state.server.instance != now.instance) return "this server has other data";
  if (!in_memory_only(state.level) || !started_anew(state.server, now)) return "";
  return "the server had confirmed lines in its memory only, and may have been started anew since";
}

absl::StatusOr<ImportState> load_import_state(const std::string& state_path, const std::string& file) {
  errno = 0;
  std::ifstream in(state_path);
  if (!in && errno == ENOENT) return ImportState();
  if (!in) return absl::InvalidArgumentError(fmt::format("cannot read {}: {}", state_path, words_of(errno)));
  std::stringstream text;
  text << in.rdbuf();
  const Json state = Json::parse(text.str(), nullptr, false);
  const auto number = [&](const char* name) { return state.contains(name) && state[name].is_number_unsigned(); };
  const std::optional<std::string> kept = state.is_object() ? file_in(state) : std::nullopt;
  const auto text_or_none = [&](const char* name) { return !state.contains(name) || state[name].is_string(); };
  const bool complete = kept && number("offset") && number("checksum");
  if (!complete || !text_or_none("level") || !text_or_none("instance") || !text_or_none("start"))
    return absl::InvalidArgumentError(fmt::format("{} is no state of an import", state_path));
  if (*kept != file)
    return absl::InvalidArgumentError(fmt::format("{} is the state of importing another file: {}", state_path, *kept));
  return ImportState{.place = {state["offset"].get<std::uint64_t>(), state["checksum"].get<std::uint64_t>()},
                     .level = level_in(state),
                     .server = {state.value("instance", ""), state.value("start", "")}};
}

absl::Status save_import_state(const std::string& state_path, const std::string& file, const ImportState& state) {
  const std::string temporary = state_path + ".new";
  Json kept{{"offset", state.place.offset},
            {"checksum", state.place.checksum},
            {"level", level_word(state.level)},
            {"instance", state.server.instance},
            {"start", state.server.time}};
  put_bytes(kept, "file", file);
  std::ofstream out(temporary, std::ios::trunc);
  out << kept.dump() << "\n";
  out.close();
  if (!out || std::rename(temporary.c_str(), state_path.c_str()) != 0)
    return absl::InvalidArgumentError(fmt::format("cannot write {}: {}", state_path, words_of(errno)));
  return absl::OkStatus();
}

absl::StatusOr<Checksum64Stream> checksum_beginning(int descriptor, std::uint64_t bytes, const std::string& name) {
  Checksum64Stream sum(ImportPlace::kImportSeed);
  std::vector<char> chunk(std::min<std::uint64_t>(bytes, kChunkBytes));
  while (bytes > 0) {
    const ssize_t count = ::read(descriptor, chunk.data(), std::min<std::uint64_t>(bytes, chunk.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return absl::InvalidArgumentError(fmt::format("{}: {}", name, words_of(errno)));
    if (count == 0) return absl::InvalidArgumentError(fmt::format("{} ends {} bytes too early", name, bytes));
    sum.update(as_bytes({chunk.data(), static_cast<std::size_t>(count)}));
    bytes -= static_cast<std::uint64_t>(count);
  }
  return sum;
}

}  // namespace kv
