// How answers look: for people, as JSON lines, or nothing but the data.
//
// The wording for people is the original client's, letter for letter, and scripts rely on it. The value of a get that
// is not printable is escaped on a terminal and exact elsewhere; in lines of several it is escaped always, since a line
// end in it would break them.
//
// Threads: one. Lifetime: the console outlives the printer.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/cli/answer.h"
#include "client/cli/connection.h"
#include "client/cli/console.h"

namespace kv {

enum class OutputFormat { kAutomatic, kHuman, kJson, kRaw, kTable };

struct PrinterOptions {
  OutputFormat format = OutputFormat::kAutomatic;
  bool quiet = false;    // No word about what simply went well.
  bool session = false;  // Several answers follow each other; else one command is all.
};

class Printer {
 public:
  virtual ~Printer() = default;

  virtual void greeting() = 0;
  virtual void farewell() = 0;
  virtual void stored(std::string_view key, const WriteReceipt& receipt) = 0;
  virtual void value(std::string_view key, std::string_view value) = 0;
  virtual void missing(std::string_view key) = 0;
  virtual void answer(const Answer& answer) = 0;
  // Rows come between the two, as they become known.
  virtual void begin_rows(std::vector<std::string> headings) = 0;
  virtual void row(const Row& row) = 0;
  virtual void end_rows() = 0;
  virtual void data(std::string_view bytes) = 0;  // As they are, in every form.
  // What a person may want to know beside the answer.
  virtual void hint(std::string_view text) = 0;
  // `several`: one of several keys of one command, so that the answer must say which.
  virtual void deleted(std::string_view key, const Deletion& deletion, bool several) = 0;
  virtual void keys(const KeyList& list) = 0;
  virtual void configured(std::string_view mode, const ModeChange& change) = 0;
  virtual void health(std::string_view service, std::string_view status) = 0;
  virtual void status(const kvstore::v1::GetStatusResponse& status, const kvstore::v1::Config& config) = 0;
  // Only those of `names`, unless it is empty.
  virtual void settings(const kvstore::v1::GetConfigResponse& response, const std::vector<std::string>& names) = 0;
  // `checked`: nothing was changed, but could be.
  virtual void settings_changed(const kvstore::v1::UpdateConfigResponse& changed, bool checked) = 0;
  virtual void snapshot_taken(const kvstore::v1::CreateSnapshotResponse& response) = 0;
  virtual void snapshots(const kvstore::v1::ListSnapshotsResponse& list) = 0;
  // `complete`: else it has only begun.
  virtual void log_rewritten(const kvstore::v1::RewriteLogResponse& response, bool complete) = 0;
  virtual void text(std::string_view text) = 0;  // Help.
  virtual void version(std::string_view version) = 0;
  // `verb` as in "Get failed: ...".
  virtual void failed(std::string_view verb, const absl::Status& status) = 0;
  // A line that is no command, or not in the right form.
  virtual void misused(std::string_view line) = 0;
};

std::unique_ptr<Printer> make_printer(Console& console, PrinterOptions options);

// Each of them alone; make_printer() chooses.
std::unique_ptr<Printer> make_human_printer(Console& console, PrinterOptions options);
std::unique_ptr<Printer> make_json_printer(Console& console, PrinterOptions options);
std::unique_ptr<Printer> make_raw_printer(Console& console, PrinterOptions options);

}  // namespace kv
