#include "persistence/damage.h"

#include <cerrno>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/file_system.h"
#include "core/units.h"

namespace kv {
namespace {

bool disk_refuses(const absl::Status& status) {
  const int error_number = errno_of(status);
  return error_number == EIO || error_number == EUCLEAN || error_number == EBADMSG;
}

}  // namespace

bool is_unreadable(const absl::Status& status) { return disk_refuses(status) && facts_of(status).count("offset") != 0; }

absl::Status unreadable(absl::Status status, const std::string& path) {
  if (!disk_refuses(status) || is_unreadable(status)) return status;
  return with_fact(with_fact(std::move(status), "file", path), "offset", "0");
}

bool is_damage(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss || is_unreadable(status);
}

absl::Status other_format(const std::string& path, std::uint64_t found, std::uint64_t known) {
  const std::string text =
      fmt::format("{}: written in format {}, and this version reads format {}; start the version that wrote it", path,
                  found, known);
  return with_fact(with_fact(absl::FailedPreconditionError(text), "file", path), "exit", "3");
}

DamagedPlace place_of(const absl::Status& status, std::string_view directory) {
  auto facts = facts_of(status);
  DamagedPlace place;
  place.file = facts["file"];
  if (place.file.starts_with(directory)) place.file.erase(0, directory.size() + 1);
  place.offset = parse_number(facts["offset"]).value_or(0);
  place.what = message_of(status);
  return place;
}

}  // namespace kv
