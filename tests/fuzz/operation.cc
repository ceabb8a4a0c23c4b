// An operation of a pipeline message, read by hand: the verdict is that of the library's parser.
#include "core/error.h"
#include "kvstore/v1/operation.pb.h"
#include "server/operation_decoder.h"
#include "server/unknown_fields.h"
#include "tests/fuzz/target.h"

namespace kv::fuzz {

void decode(Bytes input) {
  const std::string bytes(as_text(input));  // Ends where it ends: what is read beyond is seen.
  kvstore::v1::Operation message;
  const bool parses = message.ParseFromString(bytes);
  DecodedOperation decoded;
  WireReader reader(bytes);
  if (decode_operation(reader, decoded) != parses) wrong(parses ? "refused by us alone" : "taken by us alone");
  if (!parses) return;
  const bool known = refuse_unknown_fields(message).ok();
  const bool all_known = decoded.unknown.number == 0 && decoded.expiry.unknown.number == 0;
  if (known != all_known) wrong("we and the library know different fields: " + message.ShortDebugString());
  const absl::Status finished = finish(decoded);
  if (finished.ok() && decoded.operation.kind != OperationKind::kNone) ++taken;
  if (!known && finished.ok()) wrong("a field that nobody knows was taken");
  if (known && finished.ok() && decoded.operation.kind == OperationKind::kSet &&
      decoded.operation.key != message.set().key()) {
    wrong("another key");
  }
}

}  // namespace kv::fuzz
