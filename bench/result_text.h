// A result for people: the table, and files of percentiles in the layout of HdrHistogram's own output, which its
// plotter reads.
//
// Threads: free functions. Errors: a file that cannot be written is UNAVAILABLE naming it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "bench/histogram.h"
#include "bench/result_json.h"

namespace kv {

// Of a saturated run rates and errors only: its percentiles would look like an answer.
std::string table_of(const RunResult& result);

// "Value Percentile TotalCount 1/(1-Percentile)", values in microseconds.
std::string text_of(const VerifyRecord& record);
std::string percentiles_of(const Histogram& histogram);
// PREFIX.read.hdr and so on, of the run in the middle.
absl::Status write_percentiles(const RunResult& result);

absl::Status write_file(const std::string& path, const std::string& text);

}  // namespace kv
