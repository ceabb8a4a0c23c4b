#include "server/options.h"

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "server/setting_text.h"

using namespace kv;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

class Command {
 public:
  Command() : path_(std::filesystem::temp_directory_path() / fmt::format("kvstore_options_{}", getpid())) {}
  ~Command() { std::filesystem::remove(path_); }

  Command& file(const std::string& text) {
    std::ofstream(path_) << text;
    environment.emplace("KVSTORE_CONFIG", path_.string());
    return *this;
  }
  absl::StatusOr<CommandLine> read(std::vector<std::string> arguments = {}) {
    return read_command_line(arguments, environment);
  }
  std::string refusal(std::vector<std::string> arguments = {}) {
    const auto line = read(std::move(arguments));
    if (line.ok()) return "accepted";
    CHECK(has_reason(line.status(), Reason::kConfigInvalid));
    return std::string(message_of(line.status()));
  }

  Environment environment;

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("options: without a word from anybody the server is as safe as it can be") {
  const auto line = Command().read();
  REQUIRE(line.ok());
  CHECK(line->action == Action::kServe);
  CHECK(line->options.listen == std::vector<std::string>{"127.0.0.1:50051"});
  CHECK(line->options.http_listen.empty());
  CHECK(line->options.startup.at("mode").value == "HYBRID");
  CHECK(line->options.startup.at("fsync").value == "always");
  CHECK(line->options.startup.at("snapshot-interval").value == "5m");
  CHECK_FALSE(line->options.startup.at("mode").given);
  CHECK(line->options.limits.key_bytes_max == 65536);
  CHECK(line->options.limits.entry_bytes_max == (4 << 20) - (4 << 10));
  CHECK(line->options.stop_timeout == 9s);
}

TEST_CASE("options: every default passes its own check") {
  for (const SettingRow& row : setting_rows()) {
    CAPTURE(std::string(row.flag));
    CHECK(checked_value(row, row.default_text).ok());
  }
}

TEST_CASE("options: a flag wins over the environment, that over the file, that over the default") {
  Command command;
  command.file("mode = \"AOF\"\nmax-snapshots = 7\nfsync = never\n");
  command.environment["KVSTORE_MODE"] = "snapshot";
  command.environment["KVSTORE_MAX_SNAPSHOTS"] = "8";
  const auto line = command.read({"--mode", "non-persistent"});
  REQUIRE(line.ok());
  CHECK(line->options.startup.at("mode").value == "NON_PERSISTENT");
  CHECK(line->settings.at("mode").where == "--mode");
  CHECK(line->options.startup.at("max-snapshots").value == "8");
  CHECK(line->settings.at("max-snapshots").where == "KVSTORE_MAX_SNAPSHOTS");
  CHECK(line->options.startup.at("fsync").value == "never");
  CHECK(line->settings.at("fsync").source == SettingSource::kFile);
  CHECK(line->settings.at("fsync-interval").source == SettingSource::kDefault);
}

TEST_CASE("options: the address can be repeated, as flags, in a variable and in the file") {
  CHECK(Command().read({"--listen", "a:1", "--listen=unix:/x"})->options.listen ==
        std::vector<std::string>{"a:1", "unix:/x"});
  Command variable;
  variable.environment["KVSTORE_LISTEN"] = "a:1, [::1]:2";
  CHECK(variable.read()->options.listen == std::vector<std::string>{"a:1", "[::1]:2"});
  Command file;
  file.file("listen = [\"a:1\", \"b:2\"]\n");
  CHECK(file.read()->options.listen == std::vector<std::string>{"a:1", "b:2"});
}

TEST_CASE("options: the old name of the segment size is the same setting") {
  CHECK(Command().read({"--aof-max-size", "1"})->options.startup.at("log-segment-size").value == "1B");
  CHECK_THAT(Command().refusal({"--aof-max-size", "1", "--log-segment-size", "2"}), Contains("takes one"));
  Command both;
  both.environment = {{"KVSTORE_AOF_MAX_SIZE", "1"}, {"KVSTORE_LOG_SEGMENT_SIZE", "1"}};
  CHECK_THAT(both.refusal(), Contains("the same setting"));
}

TEST_CASE("options: unknown flags, variables and lines are refused with a suggestion") {
  CHECK_THAT(Command().refusal({"--snapshot-intervall", "5s"}), Contains("did you mean '--snapshot-interval'"));
  CHECK_THAT(Command().refusal({"--nothing-like-it-at-all"}), Contains("unknown flag '--nothing-like-it-at-all'"));
  CHECK_THAT(Command().refusal({"stray"}), Contains("unexpected argument 'stray'"));
  Command variable;
  variable.environment["KVSTORE_MOD"] = "AOF";
  CHECK_THAT(variable.refusal(), Contains("did you mean 'KVSTORE_MODE'"));
  Command file;
  file.file("mod = AOF\n");
  CHECK_THAT(file.refusal(), Contains("did you mean 'mode'"));
  CHECK_THAT(Command().file("[server]\nmode = AOF\n").refusal(), Contains("unknown setting"));
}

TEST_CASE("options: flags of features that do not exist are unknown") {
  for (const char* flag : {"--tls-cert", "--auth-file", "--ordered-index"}) {
    CHECK_THAT(Command().refusal({flag, "x"}), Contains("unknown flag"));
  }
}

TEST_CASE("options: variables of the client and of orchestrators are ignored") {
  Command command;
  for (const char* name :
       {"KVSTORE_TARGET", "KVSTORE_TIMEOUT", "KVSTORE_TLS_CA", "KVSTORE_TOKEN_FILE", "KVSTORE_SERVER_ADDR",
        "KVSTORE_SERVICE_HOST", "KVSTORE_SERVICE_PORT", "KVSTORE_SERVICE_PORT_GRPC", "KVSTORE_PORT",
        "KVSTORE_PORT_50051_TCP", "KVSTORE_PORT_50051_TCP_ADDR", "KVSTORE_SERVER_PORT_50051_TCP_PORT", "PATH"}) {
    command.environment[name] = "tcp://10.0.0.1:50051";
  }
  CHECK(command.read().ok());
}

TEST_CASE("options: values that are malformed or out of bounds are refused with the bounds") {
  struct Row {
    const char* flag;
    const char* value;
    const char* says;
  };
  for (const Row& row : {Row{"--snapshot-interval", "500ms", "1s to 365d"},
                         Row{"--snapshot-interval", "300", "1s to 365d"},
                         Row{"--snapshot-interval", "366d", "1s to 365d"},
                         Row{"--max-snapshots", "0", "1 to 1000"},
                         Row{"--max-snapshots", "-1", "1 to 1000"},
                         Row{"--max-snapshots", "1001", "1 to 1000"},
                         Row{"--log-segment-size", "0", "1B to 1TiB"},
                         Row{"--log-segment-size", "2TiB", "1B to 1TiB"},
                         Row{"--log-rewrite-min-size", "0", "1B to 1024TiB"},
                         Row{"--fsync", "sometimes", "one of always|interval|never"},
                         Row{"--fsync", "always|never", "one of"},
                         Row{"--mode", "AOFF", "one of NON_PERSISTENT"},
                         Row{"--shards", "3", "a power of two"},
                         Row{"--shards", "131072", "a power of two"},
                         Row{"--log-rewrite-growth", "0%", "1% to 100000%"},
                         Row{"--max-key-bytes", "0", "1B to 1MiB"},
                         Row{"--max-entry-bytes", "1GiB", "1B to 8MiB"},
                         Row{"--threads-per-queue", "17", "1 to 16"},
                         Row{"--listen", "50051", "HOST:PORT"},
                         Row{"--listen", "host:99999", "HOST:PORT"},
                         Row{"--listen", "::1:50051", "HOST:PORT"},
                         Row{"--http-listen", "unix:/x", "HOST:PORT (IPv4) or off"},
                         Row{"--http-listen", "[::1]:9090", "HOST:PORT (IPv4) or off"},
                         Row{"--reflection", "yes", "one of on|off"},
                         Row{"--stop-timeout", "2h", "0ms to 1h"}}) {
    CAPTURE(row.flag, row.value);
    CHECK_THAT(Command().refusal({fmt::format("{}={}", row.flag, row.value)}),
               Contains(row.says) && Contains(row.flag));
  }
  CHECK_THAT(Command().refusal({"--max-key-bytes=64KiB", "--max-entry-bytes=1KiB"}), Contains("must not exceed"));
  for (const char* argument : {"--mode", "--mode=", "--data-dir="}) {
    CHECK_THAT(Command().refusal({argument}), Contains(std::string(argument).substr(0, 6)));
  }
  CHECK_THAT(Command().refusal({"--mode=AOF", "--mode=AOF"}), Contains("takes one"));
}

TEST_CASE("options: a wrong value is refused even where a stronger source hides it") {
  Command command;
  command.environment["KVSTORE_MODE"] = "nonsense";
  CHECK_THAT(command.refusal({"--mode", "AOF"}), Contains("KVSTORE_MODE is 'nonsense'"));
}

TEST_CASE("options: the message limit is raised to hold the largest entry") {
  const auto line = Command().read({"--max-entry-bytes=8MiB", "--max-message-bytes=64KiB"});
  CHECK(line->options.message_bytes_max > 8 << 20);
}

TEST_CASE("options: a file that is missing or malformed is refused with its name") {
  CHECK_THAT(Command().refusal({"--config", "/nonexistent/server.toml"}), Contains("/nonexistent/server.toml"));
  CHECK_THAT(Command().file("x\n").refusal(), Contains("line 1"));
  CHECK_THAT(Command().file("mode = [AOF, HYBRID]\n").refusal(), Contains("takes one"));
}

TEST_CASE("options: what --print-config prints is a file with the same settings") {
  Command command;
  const auto first = command.read({"--mode=AOF", "--data-dir=/a b#c", "--listen=a:1", "--listen=b:2",
                                   "--log-rewrite-growth=50%", "--snapshot-interval=90s"});
  REQUIRE(first.ok());
  const std::string text = config_text(first->settings);
  CHECK_THAT(text, Contains("# --mode\nmode = \"AOF\""));
  CHECK_THAT(text, Contains("# default\nfsync = \"always\""));
  const auto second = command.file(text).read();
  REQUIRE(second.ok());
  for (const auto& [flag, setting] : first->settings) CHECK(second->settings.at(flag).values == setting.values);
}

TEST_CASE("options: trailing comments in the file are taken off, quotes respected") {
  Command command;
  command.file("; a comment\nmode = \"AOF\"  # the old way\ndata-dir = '/x # y'\n\n");
  const auto line = command.read();
  REQUIRE(line.ok());
  CHECK(line->options.startup.at("mode").value == "AOF");
  CHECK(line->options.data_directory == "/x # y");
}

TEST_CASE("options: the actions are recognised, and help names every setting with its bounds") {
  CHECK(Command().read({"--check-config"})->action == Action::kCheckConfig);
  CHECK(Command().read({"--print-config"})->action == Action::kPrintConfig);
  CHECK(Command().read({"--version"})->action == Action::kVersion);
  CHECK(Command().read({"--help"})->action == Action::kHelp);
  CHECK(Command().read({"-h"})->action == Action::kHelp);
  for (const SettingRow& row : setting_rows()) {
    CHECK_THAT(help_text(), Contains(fmt::format("--{}", row.flag)) && Contains(accepted(row)));
  }
}

TEST_CASE("options: a refusal has the form that flags, environment or file name, so far as they can be read") {
  Command command;
  const auto form = [&](std::vector<std::string> arguments) { return refusal_format(arguments, command.environment); };
  CHECK(form({"--mode", "x"}) == "text");
  CHECK(form({"--no-such-flag", "--log-format", "json"}) == "json");
  CHECK(form({"--log-format=json", "--mode=x"}) == "json");
  CHECK(form({"--log-format"}) == "text");
  command.file("log-format = json\nmode = x\n");
  CHECK(form({}) == "json");
  CHECK(form({"--log-format", "xml"}) == "json");
  command.environment["KVSTORE_LOG_FORMAT"] = "text";
  CHECK(form({}) == "text");
  CHECK(form({"--log-format", "json"}) == "json");
}
