// The original client's wording.
#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "client/cli/admin_settings.h"
#include "client/cli/admin_view.h"
#include "client/cli/commands.h"
#include "client/cli/printer.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "core/absl_text.h"

namespace kv {
namespace {

class HumanPrinter final : public Printer {
 public:
  HumanPrinter(Console& console, PrinterOptions options) : console_(console), options_(options) {}

  void greeting() override {
    done(fmt::format("Interactive Key-Value Store Client\nAvailable commands: {}\n", kOriginalCommands));
  }

  void farewell() override { done("Exiting client.\n"); }

  void stored(std::string_view, const WriteReceipt&) override { done("Set operation successful\n"); }

  void value(std::string_view, std::string_view value) override {
    // `kvstore_client get k > file` writes the value and nothing else.
    const bool bare = !options_.session && options_.format == OutputFormat::kAutomatic && !console_.out_is_terminal();
    if (bare) return console_.out(value);
    console_.out("Value: ");
    console_.out(console_.out_is_terminal() ? shown(value) : std::string(value));
    console_.out("\n");
  }

  void missing(std::string_view) override { absent("Key not found"); }

  void answer(const Answer& answer) override {
    if (answer.kind == Answer::Kind::kMiss) return absent(answer.human);
    if (answer.kind == Answer::Kind::kSuccess) return done(answer.human + "\n");
    console_.out(answer.human + "\n");
  }

  void hint(std::string_view text) override { note(text); }

  void begin_rows(std::vector<std::string> headings) override {
    if (options_.format != OutputFormat::kTable) return;
    table_.emplace(std::move(headings), [this](std::string_view line) {
      console_.out(line);
      console_.out("\n");
    });
  }
  void row(const Row& row) override {
    if (table_) return table_->row(row.cells);
    if (row.miss) return absent(row.human);
    console_.out(row.human + "\n");
  }
  void end_rows() override {
    if (table_) table_->end();
    table_.reset();
    console_.flush();
  }
  void data(std::string_view bytes) override { console_.out(bytes); }

  void deleted(std::string_view key, const Deletion& deletion, bool several) override {
    const std::string which = several ? kv::quoted(key) + ": " : "";
    if (deletion.existed) return done(which + "Delete operation successful\n");
    absent(which + "Key not found");
  }

  void keys(const KeyList& list) override {
    std::string line = "Keys: [";
    for (const std::string& key : list.keys) {
      if (line.back() != '[') line += ' ';
      line += kv::quoted(key);
    }
    console_.out(line + "]\n");
    if (list.omitted > 0) {
      console_.note(fmt::format("{} more keys are not UTF-8 and cannot be listed by this call", list.omitted));
    }
  }

  void configured(std::string_view, const ModeChange& change) override {
    done("Config operation successful\n");
    if (!change.complete) note("The change is recorded and goes on in the background");
  }

  void status(const kvstore::v1::GetStatusResponse& status, const kvstore::v1::Config& config) override {
    for (auto [name, value] : lines_of(view_of(status, config), " ")) {
      std::replace(name.begin(), name.end(), '_', ' ');
      console_.out(fmt::format("{}: {}\n", name, harmless(value)));
    }
  }

  void settings(const kvstore::v1::GetConfigResponse& response, const std::vector<std::string>& names) override {
    for (const ShownSetting& setting : shown_settings(response, names)) {
      console_.out(fmt::format("{} = {} ({}{})\n", setting.name, setting.value, setting.source,
                               setting.restart_required ? ", needs a restart" : ""));
    }
    if (names.empty()) console_.out(fmt::format("version {}\n", response.config_version()));
  }

  void settings_changed(const kvstore::v1::UpdateConfigResponse& changed, bool checked) override {
    done(checked ? "Config could be changed\n" : "Config operation successful\n");
    for (const std::string& warning : changed.warnings()) note("Warning: " + harmless(warning));
    if (!changed.has_transition()) return;
    const kvstore::v1::ModeTransition& transition = changed.transition();
    if (transition.phase() == kvstore::v1::TRANSITION_PHASE_FAILED) {
      console_.note("The switch failed: " + harmless(transition.detail()));
    } else if (transition.phase() != kvstore::v1::TRANSITION_PHASE_ACTIVE) {
      note("The change is recorded and goes on in the background");
    }
  }

  void snapshot_taken(const kvstore::v1::CreateSnapshotResponse& response) override {
    const kvstore::v1::SnapshotInfo& info = response.snapshot();
    if (!response.has_snapshot()) return done("Snapshot begun\n");
    done(fmt::format("Snapshot {} at revision {}: {} keys, {} bytes\n", harmless(info.name()), info.revision(),
                     info.keys(), info.bytes()));
  }

  void snapshots(const kvstore::v1::ListSnapshotsResponse& list) override {
    for (const kvstore::v1::SnapshotInfo& info : list.snapshots()) {
      console_.out(fmt::format("{}  revision {}  {} keys  {} bytes  {}{}\n", harmless(info.name()), info.revision(),
                               info.keys(), info.bytes(), view_of(info)["create_time"].get<std::string>(),
                               info.verified() ? "  verified" : ""));
    }
    if (list.snapshots().empty()) console_.out("No snapshots\n");
  }

  void log_rewritten(const kvstore::v1::RewriteLogResponse& response, bool complete) override {
    if (!complete) return done(fmt::format("Log rewrite begun: {} bytes before\n", response.bytes_before()));
    done(fmt::format("Log rewritten: {} bytes before, {} after\n", response.bytes_before(), response.bytes_after()));
  }

  void health(std::string_view, std::string_view status) override { console_.out(fmt::format("status: {}\n", status)); }
  void text(std::string_view text) override { console_.out(text); }
  void version(std::string_view version) override { console_.out(fmt::format("kvstore_client {}\n", version)); }

  void failed(std::string_view verb, const absl::Status& status) override {
    console_.error(fmt::format("{} failed: {}", verb, harmless(message_of(status))));
  }

  void misused(std::string_view line) override { console_.error(harmless(line)); }

 private:
  void done(std::string_view text) {
    if (!options_.quiet) console_.out(text);
  }
  void note(std::string_view text) {
    if (!options_.quiet) console_.note(text);
  }
  // In a conversation a miss is an answer; of a single command only the exit code and this line tell of it.
  void absent(const std::string& text) {
    if (options_.session) {
      console_.out(text + "\n");
    } else {
      console_.note(text);
    }
  }

  Console& console_;
  const PrinterOptions options_;
  std::optional<Table> table_;
};

}  // namespace

std::unique_ptr<Printer> make_human_printer(Console& console, PrinterOptions options) {
  return std::make_unique<HumanPrinter>(console, options);
}

}  // namespace kv
