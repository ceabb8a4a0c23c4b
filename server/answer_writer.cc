#include "server/answer_writer.h"

#include <string>

#include "core/absl_text.h"
#include "core/error.h"

namespace kv {
namespace {

// Everything but the value: numbers, tags and lengths of the largest response.
constexpr std::size_t kFixedBytesMax = 192;
constexpr std::uint32_t kErrorArm = 15;

void write_time(std::uint32_t field, UnixMillis time, WireWriter& writer) noexcept {
  // Times before 1970 are due: an entry that is shown has none.
  const std::size_t mark = writer.size();
  writer.number(2, static_cast<std::uint64_t>(time % 1000) * 1'000'000);
  writer.number(1, static_cast<std::uint64_t>(time / 1000));
  writer.enclose(field, mark);
}

// Backwards, as the writer works: the last field first.
void write_entry(std::uint32_t field, const EntryShown& entry, WireWriter& writer) noexcept {
  if (!entry.there) return;
  const std::size_t mark = writer.size();
  writer.number(7, entry.size_bytes);
  if (entry.expire_at != kNoExpiry) write_time(6, entry.expire_at, writer);
  writer.number(5, entry.create_version);
  writer.number(4, entry.version);
  writer.number(3, static_cast<std::uint64_t>(entry.type));
  if (entry.with_value && !entry.value.empty()) writer.text(2, entry.value);
  writer.enclose(field, mark);
}

void write_result_of_write(std::uint32_t field, const Outcome& outcome, WireWriter& writer) noexcept {
  const std::size_t mark = writer.size();
  write_written(outcome.revision, outcome.level, outcome.replayed, writer);
  writer.enclose(field, mark);
}

void write_error(const absl::Status& error, WireWriter& writer) {
  const std::size_t mark = writer.size();
  writer.text(3, message_of(error));
  writer.text(2, reason_of(error));
  writer.number(1, static_cast<std::uint64_t>(error.raw_code()));
  writer.enclose(kErrorArm, mark);
}

}  // namespace

std::size_t answer_bytes_at_most(const Outcome& outcome) {
  if (!outcome.error.ok()) return kFixedBytesMax + message_of(outcome.error).size() + reason_of(outcome.error).size();
  return kFixedBytesMax + outcome.entry.value.size();
}

void write_written(Revision revision, Level level, bool replayed, WireWriter& writer) noexcept {
  writer.boolean(3, replayed);
  writer.number(2, static_cast<std::uint64_t>(level));
  writer.number(1, revision);
}

void write_answer(const Outcome& outcome, WireWriter& writer) noexcept {
  switch (outcome.kind) {
    case OperationKind::kGet:
      writer.boolean(3, outcome.not_modified);
      writer.number(2, outcome.revision);
      return write_entry(1, outcome.entry, writer);
    case OperationKind::kSet:
    case OperationKind::kDelete:
      write_entry(3, outcome.entry, writer);
      write_result_of_write(2, outcome, writer);
      return writer.boolean(1, outcome.applied);
    case OperationKind::kIncrement:
      write_result_of_write(3, outcome, writer);
      writer.boolean(2, outcome.created);
      return writer.number(1, zigzag(outcome.counter));
    case OperationKind::kAppend:
      write_result_of_write(2, outcome, writer);
      return writer.number(1, outcome.length);
    case OperationKind::kSetExpiry:
      write_result_of_write(3, outcome, writer);
      write_entry(2, outcome.entry, writer);
      return writer.boolean(1, outcome.applied);
    case OperationKind::kNone:
      break;
  }
}

void write_result(const Outcome& outcome, WireWriter& writer) {
  if (!outcome.error.ok()) return write_error(outcome.error, writer);
  const std::size_t mark = writer.size();
  write_answer(outcome, writer);
  writer.enclose(static_cast<std::uint32_t>(outcome.kind), mark);
}

}  // namespace kv
