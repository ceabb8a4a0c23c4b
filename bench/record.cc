#include "bench/record.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "client/peer_status.h"
#include "core/error.h"

namespace kv {

void KindRecord::merge(const KindRecord& other) {
  from_intended.merge(other.from_intended);
  from_sent.merge(other.from_sent);
  answered += other.answered;
  failed += other.failed;
  missing += other.missing;
  bytes += other.bytes;
  for (const auto& [name, count] : other.errors) errors[name] += count;
}

double KindRecord::failed_share() const {
  const std::uint64_t all = answered + failed;
  return all == 0 ? 0 : static_cast<double>(failed) / static_cast<double>(all);
}

void SeriesRecord::merge(const SeriesRecord& other) {
  latency.merge(other.latency);
  answered += other.answered;
  failed += other.failed;
}

void VerifyRecord::merge(const VerifyRecord& other) {
  checked += other.checked;
  wrong += other.wrong;
  missing += other.missing;
  not_ours += other.not_ours;
  for (const std::string& example : other.examples) note(example);
}

void VerifyRecord::note(std::string example) {
  if (examples.size() < kExamplesMax) examples.push_back(std::move(example));
}

void Record::merge(const Record& other) {
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) kinds[kind].merge(other.kinds[kind]);
  series.resize(std::max(series.size(), other.series.size()));
  for (std::size_t i = 0; i < other.series.size(); ++i) series[i].merge(other.series[i]);
  verify.merge(other.verify);
  intended += other.intended;
  in_time += other.in_time;
  failed_in_time += other.failed_in_time;
  not_sent += other.not_sent;
}

KindRecord Record::total() const {
  KindRecord all;
  for (const KindRecord& kind : kinds) all.merge(kind);
  return all;
}

std::string error_name(const absl::Status& status) {
  const std::string reason = reason_of(status);
  return reason.empty() ? code_word(status.code()) : fmt::format("{} {}", code_word(status.code()), reason);
}

}  // namespace kv
