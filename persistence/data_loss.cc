#include "persistence/data_loss.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/checksum.h"
#include "persistence/store_id_text.h"

namespace kv {
namespace {

constexpr std::uint64_t kTokenSeed = 0x4b56'204c'4f53'5353;

}  // namespace

std::string token_of(const DataLoss& loss, const Manifest& manifest) {
  std::string found = fmt::format("{} {} {} {} {} {}\n", to_hex(manifest.store_id), manifest.generation,
                                  word(manifest.mode), loss.base, loss.revision, loss.known_revision);
  for (const DamagedPlace& place : loss.damaged) {
    found += fmt::format("{} {} {}\n", place.file, place.offset, place.what);
  }
  for (const SetAside& file : loss.set_aside) found += fmt::format("{} {} {}\n", file.file, file.ending, file.bytes);
  return fmt::format("{:016x}", checksum64(as_bytes(found), kTokenSeed));
}

bool is_token(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() == 16 && std::all_of(text.begin(), text.end(), digit);
}

std::string loss_in_words(const DataLoss& loss) {
  if (loss.known_revision <= loss.revision) return "no change that is known of";
  return fmt::format("changes after revision {}; the last one that is known of has revision {}", loss.revision,
                     loss.known_revision);
}

}  // namespace kv
