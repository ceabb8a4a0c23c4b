// The original client's wording.
#include <fmt/format.h>

#include "client/commands.h"
#include "client/printer.h"
#include "client/text.h"
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

  void deleted(std::string_view key, const Deletion& deletion, bool several) override {
    const std::string which = several ? quoted(key) + ": " : "";
    if (deletion.existed) return done(which + "Delete operation successful\n");
    absent(which + "Key not found");
  }

  void keys(const KeyList& list) override {
    std::string line = "Keys: [";
    for (const std::string& key : list.keys) {
      if (line.back() != '[') line += ' ';
      line += quoted(key);
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
};

}  // namespace

std::unique_ptr<Printer> make_human_printer(Console& console, PrinterOptions options) {
  return std::make_unique<HumanPrinter>(console, options);
}

}  // namespace kv
