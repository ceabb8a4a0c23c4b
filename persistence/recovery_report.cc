#include "persistence/recovery_report.h"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "persistence/store_id_text.h"

namespace kv {
namespace {

void add_verdict(std::string& text, const RecoveryReport& report) {
  if (!report.refused.empty()) {
    text += fmt::format("verdict: REFUSED, no data was changed\n  {}\n", report.refused);
  } else if (report.loss) {
    text += fmt::format("verdict: SERVED without what is damaged, as token {} accepted\n", report.token);
  } else {
    text += "verdict: SERVED, nothing is lost\n";
  }
}

void add_load(std::string& text, const RecoveryReport& report) {
  text += fmt::format("last stop: {}\n", report.fresh            ? "none, the directory was empty"
                                         : report.clean_shutdown ? "clean"
                                                                 : "not clean");
  text += fmt::format("loaded: {} keys, revision {}, {} records replayed, in {} ms\n", report.keys_loaded,
                      report.revision, report.records_replayed, report.duration.count());
  for (const std::string& file : report.files_loaded) text += fmt::format("  {}\n", file);
  if (report.tail_bytes_discarded > 0) {
    text +=
        fmt::format("torn tail: {} bytes that were never promised to anybody were cut\n", report.tail_bytes_discarded);
  }
  for (const std::string& file : report.files_skipped) text += fmt::format("not loaded: {}\n", file);
  for (const std::string& file : report.strangers) text += fmt::format("not ours, left alone: {}\n", file);
}

void add_loss(std::string& text, const RecoveryReport& report) {
  const bool done = report.refused.empty();
  const DataLoss& loss = *report.loss;
  text += "damaged:\n";
  for (const DamagedPlace& place : loss.damaged) {
    text += fmt::format("  {} at offset {}\n    {}\n", place.file, place.offset, place.what);
  }
  text += done ? "what was done:\n" : "what can be done without it:\n";
  text += fmt::format("  begin with {}\n", loss.base.empty() ? "the log alone" : loss.base);
  text += fmt::format("  serve exactly the state of revision {}\n", loss.revision);
  text += fmt::format("  lost: {}\n", loss_in_words(loss));
  for (const SetAside& file : loss.set_aside) {
    text +=
        fmt::format("  set aside, not removed: {} ({} bytes) as {}{}\n", file.file, file.bytes, file.file, file.ending);
  }
  if (done) return;
  text += fmt::format("token: {}\n", report.token);
  text += fmt::format("A start with --accept-data-loss {} does exactly that.\n", report.token);
  text += "kvstore_tool repair may save more, into a new directory: look at what it lists first.\n";
}

}  // namespace

std::string to_text(const RecoveryReport& report, const ReportedStore& store) {
  std::string text = fmt::format("recovery report of {:%Y-%m-%dT%H:%M:%SZ}\ndirectory: {}\n",
                                 fmt::gmtime(static_cast<std::time_t>(store.time / 1000)), store.directory);
  if (store.manifest != nullptr) {
    text += fmt::format("store: {}, generation {}, mode {}\n", to_hex(store.manifest->store_id),
                        store.manifest->generation, word(store.manifest->mode));
  }
  add_verdict(text, report);
  if (report.refused.empty()) add_load(text, report);
  if (report.loss) {
    add_loss(text, report);
  } else if (!report.refused.empty()) {
    text += "There is no state to go on with here. kvstore_tool check lists what is wrong, kvstore_tool repair saves\n";
    text += "what can be saved, into a new directory.\n";
  }
  return text;
}

absl::Status write_report(FileSystem& fs, const std::string& directory, const RecoveryReport& report,
                          std::string_view text) {
  const bool accepted = report.loss && report.refused.empty();
  if (accepted) {
    const std::string name = fmt::format("{}.{}", kRecoveryReportName, report.token);
    if (absl::Status kept = replace_file(fs, directory, name, text); !kept.ok()) return kept;
  }
  return replace_file(fs, directory, std::string(kRecoveryReportName), text);
}

}  // namespace kv
