#include "server/scan_token.h"

#include "core/bytes.h"
#include "core/checksum.h"
#include "core/error.h"

namespace kv {
namespace {

constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kTokenBytes = 1 + 5 * 8;
constexpr std::size_t kChecked = kTokenBytes - 8;
constexpr std::uint64_t kSeed = 0x6b76'2073'6361'6e21;

absl::Status invalid(std::string_view why) { return error(Reason::kTokenInvalid, why, {{"field", "resume_token"}}); }

}  // namespace

std::string write_scan_token(const ScanIdentity& identity, WalkPlace place) {
  std::string token(kTokenBytes, '\0');
  ByteWriter writer(std::as_writable_bytes(std::span(token)));
  writer.number(kVersion);
  writer.number(identity.store);
  writer.number(identity.request);
  writer.number(place.order);
  writer.number(place.tie);
  writer.number(checksum64(as_bytes(token).first(kChecked), kSeed));
  return token;
}

absl::StatusOr<WalkPlace> read_scan_token(const ScanIdentity& identity, std::string_view token) {
  if (token.size() != kTokenBytes) return invalid("this is no token of a scan");
  ByteReader reader(as_bytes(token));
  const auto version = reader.number<std::uint8_t>();
  ScanIdentity read;
  read.store = reader.number<std::uint64_t>();
  read.request = reader.number<std::uint64_t>();
  WalkPlace place;
  place.order = reader.number<std::uint64_t>();
  place.tie = reader.number<std::uint64_t>();
  const auto checksum = reader.number<std::uint64_t>();
  if (checksum != checksum64(as_bytes(token).first(kChecked), kSeed)) return invalid("the token is damaged");
  if (version != kVersion) return invalid("the token is of another version");
  if (read.store != identity.store) return invalid("the token is of another store");
  if (read.request != identity.request) return invalid("the token is of a scan with another range, glob or type");
  return place;
}

}  // namespace kv
