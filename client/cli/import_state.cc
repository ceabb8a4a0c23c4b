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

}  // namespace

absl::StatusOr<ImportPlace> load_import_state(const std::string& state_path, const std::string& file) {
  errno = 0;
  std::ifstream in(state_path);
  if (!in && errno == ENOENT) return ImportPlace();
  if (!in) return absl::InvalidArgumentError(fmt::format("cannot read {}: {}", state_path, words_of(errno)));
  std::stringstream text;
  text << in.rdbuf();
  const Json state = Json::parse(text.str(), nullptr, false);
  const auto number = [&](const char* name) { return state.contains(name) && state[name].is_number_unsigned(); };
  const std::optional<std::string> kept = state.is_object() ? file_in(state) : std::nullopt;
  if (!kept || !number("offset") || !number("checksum"))
    return absl::InvalidArgumentError(fmt::format("{} is no state of an import", state_path));
  if (*kept != file)
    return absl::InvalidArgumentError(fmt::format("{} is the state of importing another file: {}", state_path, *kept));
  return ImportPlace{state["offset"].get<std::uint64_t>(), state["checksum"].get<std::uint64_t>()};
}

absl::Status save_import_state(const std::string& state_path, const std::string& file, const ImportPlace& place) {
  const std::string temporary = state_path + ".new";
  Json state{{"offset", place.offset}, {"checksum", place.checksum}};
  put_bytes(state, "file", file);
  std::ofstream out(temporary, std::ios::trunc);
  out << state.dump() << "\n";
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
