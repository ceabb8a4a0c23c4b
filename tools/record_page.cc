#include "tools/record_page.h"

#include <algorithm>

#include "core/bytes.h"
#include "persistence/format/log_format.h"
#include "tools/file_view.h"

namespace kv::tools {
namespace {

// Offsets in a record header.
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kTypeAt = 12;
constexpr std::size_t kFlagsAt = 13;  // flags and the two reserved bytes behind them
constexpr std::size_t kRevisionAt = 16;
constexpr std::size_t kCountAt = 24;
constexpr std::size_t kRequestBytesAt = 28;

bool decode_request(ByteReader& reader, RequestFacts& request) {
  const Bytes id = reader.bytes(request.id.size());
  if (reader.failed()) return false;
  std::copy(id.begin(), id.end(), request.id.begin());
  request.hash = reader.number<std::uint64_t>();
  request.flags = reader.number<std::uint64_t>();
  request.added = reader.number<std::uint64_t>();
  request.value = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  return !reader.failed() && request.flags <= (kRequestApplied | kRequestCreated);
}

bool known(MutationKind kind) {
  switch (kind) {
    case MutationKind::kSet:
    case MutationKind::kDelete:
    case MutationKind::kExpire:
    case MutationKind::kEvict:
    case MutationKind::kSetExpiry:
      return true;
  }
  return false;
}

bool known(ValueType type) {
  switch (type) {
    case ValueType::kString:
    case ValueType::kHash:
    case ValueType::kList:
    case ValueType::kSet:
    case ValueType::kSortedSet:
      return true;
  }
  return false;
}

bool decode_mutation(ByteReader& reader, Mutation& mutation) {
  const Bytes head = reader.bytes(kMutationHeaderBytes);
  if (reader.failed()) return false;
  mutation.kind = static_cast<MutationKind>(head[0]);
  mutation.type = static_cast<ValueType>(head[1]);
  const auto flags = static_cast<std::uint8_t>(head[2]);
  if (!known(mutation.kind) || !known(mutation.type) || flags > kMutationExpires || head[3] != std::byte{0})
    return false;
  const auto key_bytes = load<std::uint32_t>(head.data() + 4);
  const auto value_bytes = load<std::uint32_t>(head.data() + 8);
  if (flags == kMutationExpires) mutation.expire_at = static_cast<UnixMillis>(reader.number<std::uint64_t>());
  mutation.key = reader.text(key_bytes);
  mutation.value = reader.text(value_bytes);
  return !reader.failed();
}

}  // namespace

std::optional<std::uint32_t> record_length(Bytes header) noexcept {
  if (header.size() < kRecordHeaderBytes) return std::nullopt;
  const auto bytes = load<std::uint32_t>(header.data() + kLengthAt);
  if (bytes < kRecordHeaderBytes || bytes > kRecordBytesMax) return std::nullopt;
  return bytes;
}

bool decode_record(Bytes record, RecordFacts& facts) {
  const std::byte* const at = record.data();
  facts.bytes = static_cast<std::uint32_t>(record.size());
  facts.revision = load<std::uint64_t>(at + kRevisionAt);
  const auto count = load<std::uint32_t>(at + kCountAt);
  const auto request_bytes = load<std::uint32_t>(at + kRequestBytesAt);
  if (at[kTypeAt] != std::byte{kRecordTypeMutations} || !all_zero(record.subspan(kFlagsAt, 3))) return false;
  ByteReader reader(record.subspan(kRecordHeaderBytes));
  facts.request.reset();
  if (request_bytes != 0) {
    if (request_bytes != kRequestBlockBytes || !decode_request(reader, facts.request.emplace())) return false;
  }
  facts.mutations.clear();
  // Before anything is allocated: so many mutations must be able to stand there.
  if (count > reader.left() / kMutationHeaderBytes) return false;
  facts.mutations.reserve(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!decode_mutation(reader, facts.mutations.emplace_back())) return false;
  }
  return reader.left() == 0;
}

}  // namespace kv::tools
