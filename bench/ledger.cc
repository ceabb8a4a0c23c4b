#include "bench/ledger.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "bench/load_value.h"
#include "core/absl_text.h"
#include "core/checksum.h"

namespace kv {
namespace {

constexpr std::string_view kTitle = "kvstore_bench ledger 2";
constexpr std::uint64_t kSeed = 0x6b76'6c65'6467'6572ULL;

}  // namespace

std::uint64_t Ledger::floor(std::uint64_t key) const {
  const std::scoped_lock lock(mutex_);
  return key < floors_.size() ? floors_[key].revision : 0;
}

void Ledger::acknowledged(std::uint64_t key, std::uint64_t revision, std::uint64_t sequence) {
  const std::scoped_lock lock(mutex_);
  if (key >= floors_.size()) floors_.resize(std::max<std::size_t>(key + 1, floors_.size() * 2));
  // The same revision again: a server that lost the first one gave it to another write.
  if (revision >= floors_[key].revision) floors_[key] = {revision, sequence};
  if (recent_.empty()) recent_.resize(kRecent);
  recent_[sequence % kRecent] = {revision, sequence};
}

std::optional<std::string> Ledger::contradiction(std::uint64_t key, std::uint64_t revision,
                                                 std::uint64_t sequence) const {
  const std::scoped_lock lock(mutex_);
  const Write newest = key < floors_.size() ? floors_[key] : Write{};
  if (newest.revision != 0 && newest.revision == revision && newest.sequence != sequence) {
    return fmt::format("revision {} has the value of another write than was acknowledged with it", revision);
  }
  const Write same = recent_.empty() ? Write{} : recent_[sequence % kRecent];
  if (same.revision != 0 && same.sequence == sequence && same.revision != revision) {
    return fmt::format("revision {} has the value that was acknowledged with revision {}", revision, same.revision);
  }
  return std::nullopt;
}

std::uint64_t Ledger::keys() const {
  const std::scoped_lock lock(mutex_);
  std::uint64_t count = floors_.size();
  while (count > 0 && floors_[count - 1].revision == 0) --count;
  return count;
}

absl::Status Ledger::save(const std::string& path) const {
  std::string text = fmt::format("{}\nkey-bytes {}\n", kTitle, key_bytes);
  const std::uint64_t count = keys();
  {
    const std::scoped_lock lock(mutex_);
    for (std::uint64_t key = 0; key < count; ++key) {
      text += fmt::format("{} {}\n", floors_[key].revision, floors_[key].sequence);
    }
  }
  text += fmt::format("checksum {:016x}\n", checksum64(as_bytes(text), kSeed));
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text << std::flush;
  if (!file) return absl::UnavailableError(fmt::format("cannot write {}: {}", path, std::strerror(errno)));
  return absl::OkStatus();
}

absl::StatusOr<Ledger> Ledger::load(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(fmt::format("cannot read {}: {}", path, std::strerror(errno)));
  std::ostringstream all;
  all << file.rdbuf();
  const std::string text = all.str();
  const auto damaged = [&] {
    return absl::DataLossError(fmt::format("{} is no ledger of kvstore_bench, or damaged", path));
  };
  const std::size_t end = text.rfind("checksum ");
  if (end == std::string::npos || !text.starts_with(kTitle)) return damaged();
  if (text.substr(end) != fmt::format("checksum {:016x}\n", checksum64(as_bytes(text.substr(0, end)), kSeed))) {
    return damaged();
  }
  std::istringstream lines(text.substr(kTitle.size(), end - kTitle.size()));
  Ledger ledger;
  std::string word;
  if (!(lines >> word >> ledger.key_bytes) || word != "key-bytes" || ledger.key_bytes < 2) return damaged();
  Write newest;
  while (lines >> newest.revision >> newest.sequence) ledger.floors_.push_back(newest);
  return ledger;
}

}  // namespace kv
