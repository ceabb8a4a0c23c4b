#include "persistence/log_record.h"

#include "core/bytes.h"

namespace kv {
namespace {

void encode_request(const RequestBlock& request, ByteWriter& writer) noexcept {
  writer.bytes(request.id);
  writer.number(request.request_hash);
  writer.number((request.applied ? kRequestApplied : 0) | (request.created ? kRequestCreated : 0));
  writer.number(request.added);
  writer.number(static_cast<std::uint64_t>(request.value));
}

bool decode_request(ByteReader& reader, RequestBlock& request) noexcept {
  const Bytes id = reader.bytes(request.id.size());
  if (id.size() != request.id.size()) return false;
  std::memcpy(request.id.data(), id.data(), id.size());
  request.request_hash = reader.number<std::uint64_t>();
  const auto flags = reader.number<std::uint64_t>();
  request.applied = (flags & kRequestApplied) != 0;
  request.created = (flags & kRequestCreated) != 0;
  request.added = reader.number<std::uint64_t>();
  request.value = static_cast<std::int64_t>(reader.number<std::uint64_t>());
  return !reader.failed() && (flags & ~(kRequestApplied | kRequestCreated)) == 0;
}

void encode_mutation(const Mutation& mutation, ByteWriter& writer) noexcept {
  const bool expires = mutation.expire_at != kNoExpiry;
  writer.number(static_cast<std::uint8_t>(mutation.kind));
  writer.number(static_cast<std::uint8_t>(mutation.type));
  writer.number(expires ? kMutationExpires : std::uint8_t{0});
  writer.zeros(1);
  writer.number(static_cast<std::uint32_t>(mutation.key.size()));
  writer.number(static_cast<std::uint32_t>(mutation.value.size()));
  if (expires) writer.number(static_cast<std::uint64_t>(mutation.expire_at));
  writer.text(mutation.key);
  writer.text(mutation.value);
}

bool decode_mutation(ByteReader& reader, Mutation& mutation) noexcept {
  const auto kind = reader.number<std::uint8_t>();
  const auto type = reader.number<std::uint8_t>();
  const auto flags = reader.number<std::uint8_t>();
  const auto reserved = reader.number<std::uint8_t>();
  const auto key_bytes = reader.number<std::uint32_t>();
  const auto value_bytes = reader.number<std::uint32_t>();
  mutation.kind = static_cast<MutationKind>(kind);
  mutation.type = static_cast<ValueType>(type);
  mutation.expire_at =
      (flags & kMutationExpires) != 0 ? static_cast<UnixMillis>(reader.number<std::uint64_t>()) : kNoExpiry;
  mutation.key = reader.text(key_bytes);
  mutation.value = reader.text(value_bytes);
  return !reader.failed() && reserved == 0 && (flags & ~kMutationExpires) == 0 &&
         kind >= static_cast<std::uint8_t>(MutationKind::kSet) &&
         kind <= static_cast<std::uint8_t>(MutationKind::kSetExpiry) &&
         type >= static_cast<std::uint8_t>(ValueType::kString) &&
         type <= static_cast<std::uint8_t>(ValueType::kSortedSet);
}

}  // namespace

std::size_t mutation_bytes_of(const Mutation& mutation) noexcept {
  return kMutationHeaderBytes + (mutation.expire_at != kNoExpiry ? kExpiryBytes : 0) + mutation.key.size() +
         mutation.value.size();
}

std::size_t mutation_bytes_at_most(std::size_t key_bytes, std::size_t value_bytes) noexcept {
  return kMutationHeaderBytes + kExpiryBytes + key_bytes + value_bytes;
}

std::size_t record_bytes_of(std::size_t mutation_bytes, bool request) noexcept {
  return kRecordHeaderBytes + (request ? kRequestBlockBytes : 0) + mutation_bytes;
}

std::size_t record_bytes_of(std::span<const Mutation> mutations, const RequestBlock* request) noexcept {
  std::size_t bytes = 0;
  for (const Mutation& mutation : mutations) bytes += mutation_bytes_of(mutation);
  return record_bytes_of(bytes, request != nullptr);
}

void encode_record(Revision revision, std::span<const Mutation> mutations, const RequestBlock* request,
                   std::span<std::byte> into) noexcept {
  const RecordHeader header{.checksum = 0,
                            .record_bytes = static_cast<std::uint32_t>(into.size()),
                            .revision = revision,
                            .mutation_count = static_cast<std::uint32_t>(mutations.size()),
                            .has_request = request != nullptr};
  encode(header, into.first<kRecordHeaderBytes>());
  ByteWriter writer(into.subspan(kRecordHeaderBytes));
  if (request != nullptr) encode_request(*request, writer);
  for (const Mutation& mutation : mutations) encode_mutation(mutation, writer);
}

bool decode_body(const RecordHeader& header, Bytes record, std::vector<Mutation>& mutations, LogRecord& record_out) {
  ByteReader reader(record.subspan(kRecordHeaderBytes));
  record_out.revision = header.revision;
  record_out.request.reset();
  if (header.has_request && !decode_request(reader, record_out.request.emplace())) return false;
  mutations.clear();
  for (std::uint32_t i = 0; i < header.mutation_count; ++i) {
    if (!decode_mutation(reader, mutations.emplace_back())) return false;
  }
  record_out.mutations = mutations;
  return reader.left() == 0;
}

}  // namespace kv
