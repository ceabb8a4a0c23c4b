// The data and nothing else: a value as its bytes, keys one a line. Writes that went well say nothing.
#include <fmt/format.h>

#include "client/printer.h"
#include "client/text.h"
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

  void deleted(std::string_view key, const Deletion& deletion, bool several) override {
    if (deletion.existed) return;
    console_.note(several ? quoted(key) + ": Key not found" : "Key not found");
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
