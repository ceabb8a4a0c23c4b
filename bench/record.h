// What a load saw: for each kind of operation latencies and errors, and the course of it point by point.
//
// An operation that the deadline ended is in the latencies: it took at least so long, and leaving it out would make a
// slow server look fast. Other failures are only counted.
//
// Threads: one writes; merge() when it has ended.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "bench/histogram.h"
#include "bench/shot.h"

namespace kv {

struct KindRecord {
  Histogram from_intended;
  Histogram from_sent;
  std::uint64_t answered = 0;  // well
  std::uint64_t failed = 0;
  std::uint64_t missing = 0;
  std::uint64_t bytes = 0;
  std::map<std::string, std::uint64_t> errors;  // "UNAVAILABLE LOADING", how often

  void merge(const KindRecord& other);
  // Of what was answered at all; 0 when nothing was.
  double failed_share() const;
};

// One point of the course: a second, or what --series says.
struct SeriesRecord {
  Histogram latency;           // of what was intended in it
  std::uint64_t answered = 0;  // in it, whenever it was intended
  std::uint64_t failed = 0;

  void merge(const SeriesRecord& other);
};

// What --verify found.
struct VerifyRecord {
  static constexpr std::size_t kExamplesMax = 20;

  std::uint64_t checked = 0;
  std::uint64_t wrong = 0;     // damaged, of another key, or of another write than its revision says
  std::uint64_t missing = 0;   // acknowledged, and not there
  std::uint64_t not_ours = 0;  // no value of this program, of a key of which this run has nothing acknowledged
  std::vector<std::string> examples;

  void merge(const VerifyRecord& other);
  void note(std::string example);
};

struct Record {
  std::array<KindRecord, kLoadKinds> kinds;
  std::vector<SeriesRecord> series;
  VerifyRecord verify;
  std::uint64_t intended = 0;        // operations of the measured time
  std::uint64_t in_time = 0;         // of them answered well by its end, or a moment after
  std::uint64_t failed_in_time = 0;  // of them failed by then: no work done, and nothing that is late either
  std::uint64_t not_sent = 0;        // of them; the time was over

  void merge(const Record& other);
  KindRecord total() const;
};

// "UNAVAILABLE LOADING": the code, and the reason word where there is one.
std::string error_name(const absl::Status& status);

}  // namespace kv
