// One log record, as the journal writes it and the reader returns it: mutations in, bytes out, and back.
//
// Threads: free functions. Errors: decoding never trusts a length; encoding asserts that the buffer was sized by
// record_bytes_of(). Source: docs/formats/aof.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/checksum.h"
#include "persistence/format/log_format.h"
#include "store/request.h"
#include "store/types.h"

namespace kv {

// A decoded record; mutations point into the bytes they were decoded from.
struct LogRecord {
  Revision revision = 0;
  UnixMillis clock = 0;  // of its batch
  std::span<const Mutation> mutations;
  std::optional<RequestBlock> request;
};

std::size_t mutation_bytes_of(const Mutation& mutation) noexcept;
// For admission, before the shard is locked: what a set of such a key costs; expires as if it had an expiry.
std::size_t mutation_bytes_at_most(std::size_t key_bytes, std::size_t value_bytes) noexcept;
// The whole record, its header included.
std::size_t record_bytes_of(std::span<const Mutation> mutations, const RequestBlock* request) noexcept;
// The same from the sum of mutation sizes.
std::size_t record_bytes_of(std::size_t mutation_bytes, bool request) noexcept;

// Fills `into` (record_bytes_of() bytes). The checksum is left zero: it needs the place in the file, see seal_record()
// in persistence/format/log_format.h.
void encode_record(Revision revision, std::span<const Mutation> mutations, const RequestBlock* request,
                   std::span<std::byte> into) noexcept;
// The body of a record whose header and checksum are good. False when it does not decode, which a good checksum makes
// our own bug or another version's; `mutations` is the storage that `record.mutations` will view.
bool decode_body(const RecordHeader& header, Bytes record, std::vector<Mutation>& mutations, LogRecord& record_out);

}  // namespace kv
