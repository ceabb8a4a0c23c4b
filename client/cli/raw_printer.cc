// The data and nothing else: a value as its bytes, keys one a line. Writes that went well say nothing.
#include <fmt/format.h>

#include "client/cli/admin_settings.h"
#include "client/cli/admin_view.h"
#include "client/cli/printer.h"
#include "client/cli/text.h"
#include "core/absl_text.h"

namespace kv {
namespace {

class RawPrinter final : public Printer {
 public:
  RawPrinter(Console& console, PrinterOptions options) : console_(console), options_(options) {}

  void greeting() override {}
  void farewell() override {}

  void stored(std::string_view, const WriteReceipt&) override {}

  void value(std::string_view, std::string_view value) override {
    console_.out(value);
    if (options_.session) console_.out("\n");  // So that the next answer begins on its own line.
  }

  void missing(std::string_view) override { console_.note("Key not found"); }

  void answer(const Answer& answer) override {
    if (answer.kind == Answer::Kind::kMiss) return console_.note(answer.human);
    if (!answer.raw.empty()) console_.out(answer.raw + "\n");
  }

  void hint(std::string_view text) override {
    if (!options_.quiet) console_.note(text);
  }

  void begin_rows(std::vector<std::string>) override {}
  void row(const Row& row) override {
    if (row.miss) return console_.note(row.human);
    console_.out(row.raw);
    console_.out("\n");
  }
  void end_rows() override { console_.flush(); }

  void data(std::string_view bytes) override { console_.out(bytes); }

  void deleted(std::string_view key, const Deletion& deletion, bool several) override {
    if (deletion.existed) return;
    console_.note(several ? kv::quoted(key) + ": Key not found" : "Key not found");
  }

  void keys(const KeyList& list) override {
    for (const std::string& key : list.keys) {
      console_.out(key);
      console_.out("\n");
    }
    if (list.omitted > 0) {
      console_.note(fmt::format("{} more keys are not UTF-8 and cannot be listed by this call", list.omitted));
    }
  }

  void configured(std::string_view, const ModeChange&) override {}
  void status(const kvstore::v1::GetStatusResponse& status, const kvstore::v1::Config& config) override {
    for (const auto& [name, value] : lines_of(view_of(status, config), ".")) {
      console_.out(fmt::format("{}={}\n", name, harmless(value)));
    }
  }
  void settings(const kvstore::v1::GetConfigResponse& response, const std::vector<std::string>& names) override {
    for (const ShownSetting& setting : shown_settings(response, names)) {
      console_.out(names.size() == 1 ? fmt::format("{}\n", setting.value)
                                     : fmt::format("{}={}\n", setting.name, setting.value));
    }
  }
  void settings_changed(const kvstore::v1::UpdateConfigResponse&, bool) override {}
  void snapshot_taken(const kvstore::v1::CreateSnapshotResponse& response) override {
    if (response.has_snapshot()) console_.out(fmt::format("{}\n", response.snapshot().name()));
  }
  void snapshots(const kvstore::v1::ListSnapshotsResponse& list) override {
    for (const kvstore::v1::SnapshotInfo& info : list.snapshots()) console_.out(fmt::format("{}\n", info.name()));
  }
  void log_rewritten(const kvstore::v1::RewriteLogResponse&, bool) override {}
  void health(std::string_view, std::string_view status) override { console_.out(fmt::format("{}\n", status)); }
  void text(std::string_view text) override { console_.out(text); }
  void version(std::string_view version) override { console_.out(fmt::format("{}\n", version)); }

  void failed(std::string_view verb, const absl::Status& status) override {
    console_.error(fmt::format("{} failed: {}", verb, harmless(message_of(status))));
  }

  void misused(std::string_view line) override { console_.error(harmless(line)); }

 private:
  Console& console_;
  const PrinterOptions options_;
};

}  // namespace

std::unique_ptr<Printer> make_raw_printer(Console& console, PrinterOptions options) {
  return std::make_unique<RawPrinter>(console, options);
}

}  // namespace kv
