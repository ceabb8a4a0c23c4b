// One JSON object a line. Keys and values are text when they are UTF-8, else base64 under another name.
#include <fmt/format.h>

#include "client/cli/admin_settings.h"
#include "client/cli/admin_view.h"
#include "client/cli/printer.h"
#include "client/cli/text.h"
#include "client/peer_status.h"
#include "core/absl_text.h"
#include "core/error.h"
#include "core/utf8.h"

namespace kv {
namespace {

void put_receipt(Json& object, const WriteReceipt& receipt) {
  if (receipt.revision) object["revision"] = *receipt.revision;
  if (!receipt.level.empty()) put_bytes(object, "durability", receipt.level);
}

std::string line_of(const Json& object) {
  // A message of a server may hold anything; what is not UTF-8 becomes U+FFFD rather than an exception.
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

class JsonPrinter final : public Printer {
 public:
  JsonPrinter(Console& console, PrinterOptions options) : console_(console), options_(options) {}

  void greeting() override {}
  void farewell() override {}

  void stored(std::string_view key, const WriteReceipt& receipt) override {
    Json object = with_key(key);
    object["applied"] = true;
    put_receipt(object, receipt);
    done(object);
  }

  void value(std::string_view key, std::string_view value) override {
    Json object = with_key(key);
    object["found"] = true;
    put_bytes(object, "value", value);
    print(object);
  }

  void missing(std::string_view key) override {
    Json object = with_key(key);
    object["found"] = false;
    print(object);
  }

  void answer(const Answer& answer) override {
    if (answer.kind == Answer::Kind::kSuccess) return done(answer.json);
    print(answer.json);
  }

  void hint(std::string_view text) override {
    if (!options_.quiet) console_.note(line_of(Json{{"hint", text}}));
  }

  void begin_rows(std::vector<std::string>) override {}
  void row(const Row& row) override { print(row.json); }
  void end_rows() override { console_.flush(); }

  void data(std::string_view bytes) override { console_.out(bytes); }

  void deleted(std::string_view key, const Deletion& deletion, bool) override {
    Json object = with_key(key);
    object["deleted"] = deletion.existed;
    if (deletion.existed) put_receipt(object, deletion.receipt);
    done(object);
  }

  void keys(const KeyList& list) override {
    for (const std::string& key : list.keys) print(with_key(key));
    if (list.omitted > 0) print(Json{{"omitted_keys", list.omitted}});
  }

  void configured(std::string_view mode, const ModeChange& change) override {
    done(Json{{"mode", mode}, {"complete", change.complete}});
  }

  void status(const kvstore::v1::GetStatusResponse& status, const kvstore::v1::Config& config) override {
    print(view_of(status, config));
  }

  void settings(const kvstore::v1::GetConfigResponse& response, const std::vector<std::string>& names) override {
    for (const ShownSetting& setting : shown_settings(response, names)) {
      print(Json{{"name", setting.name},
                 {"value", setting.value},
                 {"source", setting.source},
                 {"restart_required", setting.restart_required}});
    }
    if (names.empty()) print(Json{{"config_version", response.config_version()}});
  }

  void settings_changed(const kvstore::v1::UpdateConfigResponse& changed, bool checked) override {
    Json object{{"applied", !checked}};
    object.update(view_of(changed));
    done(object);
  }

  void snapshot_taken(const kvstore::v1::CreateSnapshotResponse& response) override {
    done(response.has_snapshot() ? view_of(response.snapshot()) : Json{{"complete", false}});
  }

  void snapshots(const kvstore::v1::ListSnapshotsResponse& list) override {
    for (const kvstore::v1::SnapshotInfo& info : list.snapshots()) print(view_of(info));
  }

  void log_rewritten(const kvstore::v1::RewriteLogResponse& response, bool complete) override {
    Json object{{"complete", complete}, {"bytes_before", response.bytes_before()}};
    if (complete) object["bytes_after"] = response.bytes_after();
    done(object);
  }

  void health(std::string_view service, std::string_view status) override {
    print(Json{{"service", service}, {"status", status}});
  }

  void text(std::string_view text) override { print(Json{{"help", text}}); }
  void version(std::string_view version) override { print(Json{{"client", version}}); }

  void failed(std::string_view, const absl::Status& status) override {
    print_error(code_word(status.code()), reason_of(status), message_of(status));
  }

  void misused(std::string_view line) override { print_error("INVALID_ARGUMENT", "", line); }

 private:
  void print(const Json& object) { console_.out(line_of(object) + "\n"); }
  void done(const Json& object) {
    if (!options_.quiet) print(object);
  }
  void print_error(std::string_view code, std::string_view reason, std::string_view message) {
    console_.error(line_of(Json{{"error", Json{{"code", code}, {"reason", reason}, {"message", message}}}}));
  }

  Console& console_;
  const PrinterOptions options_;
};

}  // namespace

std::unique_ptr<Printer> make_json_printer(Console& console, PrinterOptions options) {
  return std::make_unique<JsonPrinter>(console, options);
}

}  // namespace kv
