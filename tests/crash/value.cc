#include "tests/crash/value.h"

#include <algorithm>
#include <cstring>

#include "core/checksum.h"

namespace kv::crash {
namespace {

constexpr std::uint64_t kMagic = 0x6c6f6f704c4c494b;

struct Header {
  std::uint64_t magic = kMagic;
  std::uint64_t checksum = 0;  // over everything that follows it
  std::uint64_t counter = 0;
  std::uint64_t size = 0;
  std::int64_t expire_at = 0;
  std::uint32_t writer = 0;
  std::uint32_t key_size = 0;
};
constexpr std::size_t kChecked = offsetof(Header, counter);

std::uint64_t checksum_of(std::string_view value) { return checksum64(as_bytes(value.substr(kChecked)), kMagic); }

}  // namespace

std::string make_value(std::string_view key, WriteId id, std::size_t size, std::int64_t expire_at) {
  const std::size_t total = std::max(size, sizeof(Header) + key.size());
  Header header{.counter = id.counter,
                .size = total,
                .expire_at = expire_at,
                .writer = id.writer,
                .key_size = static_cast<std::uint32_t>(key.size())};
  std::string value(total, '\0');
  std::memcpy(value.data() + sizeof header, key.data(), key.size());
  // Filler that no compression removes and that differs from write to write.
  std::uint64_t state = id.counter * 8191 + id.writer;
  for (std::size_t i = sizeof header + key.size(); i < total; i += sizeof state) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    std::memcpy(value.data() + i, &state, std::min(sizeof state, total - i));
  }
  std::memcpy(value.data(), &header, sizeof header);
  header.checksum = checksum_of(value);
  std::memcpy(value.data(), &header, sizeof header);
  return value;
}

std::optional<WriteId> read_value(std::string_view key, std::string_view value) {
  Header header;
  if (value.size() < sizeof header + key.size()) return std::nullopt;
  std::memcpy(&header, value.data(), sizeof header);
  if (header.magic != kMagic || header.size != value.size() || header.key_size != key.size()) return std::nullopt;
  if (value.substr(sizeof header, key.size()) != key) return std::nullopt;
  if (header.checksum != checksum_of(value)) return std::nullopt;
  return WriteId{header.writer, header.counter};
}

std::int64_t expiry_in(std::string_view value) {
  Header header;
  std::memcpy(&header, value.data(), sizeof header);
  return header.expire_at;
}

}  // namespace kv::crash
