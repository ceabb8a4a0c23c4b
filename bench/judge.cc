#include "bench/judge.h"

#include <fmt/format.h>

namespace kv {
namespace {

// Increments have keys of their own, which nobody reads.
bool concerns(LoadKind kind) { return kind != LoadKind::kScan && kind != LoadKind::kIncrement; }

// False: the value is not what it must be, or nobody can say.
bool judge_value(std::uint64_t key, const std::optional<VerifiedValue>& value, std::uint64_t floor,
                 VerifyRecord& record) {
  if (!value || value->fault.empty()) return true;
  if (!value->ours && floor == 0) {  // Of an earlier run without --verify, or of somebody else.
    ++record.not_ours;
    return false;
  }
  ++record.wrong;
  record.note(fmt::format("key number {}: the value {}", key, value->fault));
  return false;
}

void judge_read(const LoadOperation& operation, const LoadAnswer& answer, std::uint64_t floor, const Ledger& ledger,
                VerifyRecord& record) {
  ++record.checked;
  if (answer.missing) {
    if (floor == 0) return;
    ++record.missing;
    return record.note(fmt::format("key number {}: missing; revision {} was acknowledged", operation.key, floor));
  }
  if (!judge_value(operation.key, answer.value, floor, record)) return;
  if (answer.revision < floor) {
    ++record.missing;
    return record.note(fmt::format("key number {}: has revision {}, and revision {} was acknowledged", operation.key,
                                   answer.revision, floor));
  }
  if (!answer.value) return;
  if (const auto wrong = ledger.contradiction(operation.key, answer.revision, answer.value->sequence)) {
    ++record.wrong;
    record.note(fmt::format("key number {}: {}", operation.key, *wrong));
  }
}

}  // namespace

void note_floors(const Ledger& ledger, Shot& shot) {
  shot.floors.clear();
  for (const LoadOperation& operation : shot.operations) {
    shot.floors.push_back(concerns(operation.kind) ? ledger.floor(operation.key) : 0);
  }
}

void judge(const Shot& shot, Ledger& ledger, VerifyRecord& record) {
  for (std::size_t i = 0; i < shot.operations.size(); ++i) {
    const LoadOperation& operation = shot.operations[i];
    const LoadAnswer& answer = shot.answers[i];
    if (!answer.status.ok() || !concerns(operation.kind)) continue;
    if (operation.kind == LoadKind::kRead) {
      judge_read(operation, answer, shot.floors[i], ledger, record);
    } else {
      judge_value(operation.key, answer.value, shot.floors[i], record);  // what a read-modify-write has read
      ledger.acknowledged(operation.key, answer.revision, operation.sequence);
    }
  }
}

}  // namespace kv
