#include "bench/load_value.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bench/random.h"
#include "core/checksum.h"

namespace kv {
namespace {

constexpr std::uint64_t kSeed = 0x6b76'6265'6e63'6801ULL;  // of the checksum: bytes of others do not pass by chance

void put(std::string& to, std::size_t at, std::uint64_t number) {
  for (std::size_t i = 0; i < 8; ++i) to[at + i] = static_cast<char>(number >> (8 * i));
}

std::uint64_t get(std::string_view from, std::size_t at) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number |= std::uint64_t{static_cast<std::uint8_t>(from[at + i])} << (8 * i);
  return number;
}

}  // namespace

void write_key(std::uint64_t number, std::size_t bytes, std::string& key) {
  key.assign(bytes, '0');
  key[0] = 'k';
  for (std::size_t at = bytes; at > 1 && number != 0; number /= 10) key[--at] = static_cast<char>('0' + number % 10);
}

std::uint64_t keys_of(std::size_t bytes) {
  std::uint64_t count = 1;
  for (std::size_t digit = 1; digit < std::min<std::size_t>(bytes, 19); ++digit) count *= 10;
  return count;
}

Filler::Filler(std::size_t value_bytes_max) : random_(value_bytes_max + kStarts, '\0') {
  Random random(1);
  for (char& byte : random_) byte = static_cast<char>(random.next());
}

std::string verified_value(std::uint64_t key, std::uint64_t sequence, std::size_t bytes) {
  std::string value(std::max(bytes, kVerifiedValueBytesMin), '\0');
  put(value, 0, key);
  put(value, 8, sequence);
  const std::size_t end = value.size() - 8;
  for (std::size_t at = 16, i = 0; at < end; ++at, ++i) {
    value[at] = static_cast<char>(seed_of(key ^ sequence << 20, i / 8) >> (i % 8 * 8));
  }
  put(value, end, checksum64(as_bytes(std::string_view(value).substr(0, end)), kSeed));
  return value;
}

VerifiedValue read_verified(std::string_view value, std::uint64_t key) {
  VerifiedValue read;
  if (value.size() < kVerifiedValueBytesMin) {
    read.fault = fmt::format("has {} bytes, which no value of ours has", value.size());
    return read;
  }
  const std::size_t end = value.size() - 8;
  if (get(value, end) != checksum64(as_bytes(value.substr(0, end)), kSeed)) {
    read.fault = "does not match its checksum";
    return read;
  }
  read.ours = true;
  read.sequence = get(value, 8);
  const std::uint64_t owner = get(value, 0);
  if (owner != key) read.fault = fmt::format("is the value of key number {}", owner);
  return read;
}

}  // namespace kv
