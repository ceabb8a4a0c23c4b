#include "bench/judge.h"

#include <fmt/format.h>

namespace kv {
namespace {

// Increments have keys of their own, which nobody reads.
bool concerns(LoadKind kind) { return kind != LoadKind::kScan && kind != LoadKind::kIncrement; }

void judge_read(const LoadOperation& operation, const LoadAnswer& answer, std::uint64_t floor, VerifyRecord& record) {
  ++record.checked;
  if (answer.missing) {
    if (floor == 0) return;
    ++record.missing;
    return record.note(fmt::format("key number {}: missing; revision {} was acknowledged", operation.key, floor));
  }
  if (!answer.fault.empty()) {
    ++record.wrong;
    return record.note(fmt::format("key number {}: the value {}", operation.key, answer.fault));
  }
  if (answer.revision < floor) {
    ++record.missing;
    record.note(fmt::format("key number {}: has revision {}, and revision {} was acknowledged", operation.key,
                            answer.revision, floor));
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
      judge_read(operation, answer, shot.floors[i], record);
    } else if (!answer.fault.empty()) {
      ++record.wrong;
      record.note(fmt::format("key number {}: the value {}", operation.key, answer.fault));
    } else {
      ledger.acknowledged(operation.key, answer.revision);
    }
  }
}

}  // namespace kv
