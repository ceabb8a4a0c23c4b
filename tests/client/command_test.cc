// The words of a command line before any call is made: config's arguments, completion, help, options, targets.
#include <map>

#include <catch2/catch.hpp>

#include "client/cli/command_line.h"
#include "client/cli/commands.h"
#include "client/cli/config_arguments.h"
#include "client/cli/expiry_text.h"
#include "client/cli/history.h"
#include "client/cli/key_finder.h"
#include "client/cli/shell_completion.h"
#include "client/cli/tab_offer.h"
#include "client/target.h"
#include "core/absl_text.h"
#include "core/progress.h"

using namespace kv;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

namespace {

struct Asked {
  kvstore::StorageMode mode;
  std::int32_t interval, kept;
  std::int64_t size;
  bool operator==(const Asked&) const = default;
};

Asked asked(const Words& words) {
  const auto request = parse_config(words);
  CAPTURE(request.status().ToString());
  REQUIRE(request.ok());
  return {request->storage_mode(), request->snapshot_interval(), request->max_snapshots(), request->aof_max_size()};
}

std::string refused(const Words& words) {
  const auto request = parse_config(words);
  REQUIRE_FALSE(request.ok());
  return std::string(message_of(request.status()));
}

using Variables = std::map<std::string, std::string>;

Environment environment_of(Variables variables) {
  return [variables = std::move(variables)](const char* name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

CommandLine options_of(Words arguments, Variables variables = {}, const std::string& program = "kvstore_client") {
  const auto options = parse_command_line(program, std::move(arguments), environment_of(std::move(variables)));
  CAPTURE(options.status().ToString());
  REQUIRE(options.ok());
  return *options;
}

std::string option_refusal(Words arguments, Variables variables = {}) {
  const auto options = parse_command_line("kvstore_client", std::move(arguments), environment_of(std::move(variables)));
  REQUIRE_FALSE(options.ok());
  return std::string(message_of(options.status()));
}

}  // namespace

TEST_CASE("config: each mode takes its own numbers, in any case of its name") {
  CHECK(asked({"NON_PERSISTENT"}) == Asked{kvstore::NON_PERSISTENT, 0, 0, 0});
  CHECK(asked({"non-persistent"}) == Asked{kvstore::NON_PERSISTENT, 0, 0, 0});
  CHECK(asked({"snapshot", "60", "3"}) == Asked{kvstore::SNAPSHOT, 60, 3, 0});
  CHECK(asked({"Aof", "1048576"}) == Asked{kvstore::AOF, 0, 0, 1 << 20});
  CHECK(asked({"HYBRID", "5m", "2", "10MiB"}) == Asked{kvstore::HYBRID, 300, 2, 10 << 20});
  CHECK(asked({"HYBRID"}) == Asked{kvstore::HYBRID, 0, 0, 0});
}

TEST_CASE("config: a wrong count shows the usage line of that mode") {
  CHECK(refused({}) == "Usage: config <storage_mode> [snapshot_interval] [max_snapshots] [aof_max_size]");
  CHECK(refused({"SNAPSHOT", "60"}) == "Usage: config SNAPSHOT <snapshot_interval> <max_snapshots>");
  CHECK(refused({"AOF", "1", "2"}) == "Usage: config AOF <aof_max_size>");
  CHECK(refused({"HYBRID", "1", "2"}) == "Usage: config HYBRID <snapshot_interval> <max_snapshots> <aof_max_size>");
  CHECK(refused({"NON_PERSISTENT", "1"}) == "Usage: config NON_PERSISTENT");
  CHECK(refused({"REDIS"}) == "Unknown storage mode REDIS. Available modes: SNAPSHOT, AOF, HYBRID, NON_PERSISTENT");
}

TEST_CASE("config: numbers that are not positive or do not fit are refused, not turned into defaults") {
  CHECK(refused({"SNAPSHOT", "0", "3"}) == "snapshot_interval must be a positive number up to 2147483647, not 0");
  CHECK(refused({"SNAPSHOT", "60", "-3"}) == "max_snapshots must be a positive number up to 2147483647, not -3");
  CHECK(refused({"SNAPSHOT", "2147483648", "3"}).starts_with("snapshot_interval"));
  CHECK(refused({"SNAPSHOT", "1500ms", "3"}).starts_with("snapshot_interval"));
  CHECK(refused({"SNAPSHOT", "60", "many"}).starts_with("max_snapshots"));
  CHECK(refused({"AOF", "9223372036854775808"}).starts_with("aof_max_size"));
  CHECK(refused({"AOF", "1e6"}).starts_with("aof_max_size"));
}

TEST_CASE("completion: commands, modes and topics are offered where they may stand") {
  CHECK(complete("ge").insert == "t ");
  CHECK(complete("GE").insert == "t ");
  CHECK(complete("  conf").insert == "ig ");
  CHECK(complete("config s").candidates == Words{"SNAPSHOT", "set"});
  CHECK(complete("config sn").insert == "apshot ");
  CHECK(complete("config se").insert == "t ");
  CHECK(complete("config non").insert == "_persistent ");
  CHECK(complete("help he").insert.empty());
  CHECK(complete("help he").candidates == Words{"health", "help"});
  CHECK(complete("h").insert == "e");
  CHECK(complete("").candidates.size() == commands().size());
  CHECK(complete("config ").candidates.size() == 6);
  CHECK(complete("config SN").insert == "APSHOT ");
  CHECK(complete("config get max-s").insert == "napshots ");
  CHECK(complete("config get mode max-s").insert == "napshots ");
  CHECK(complete("config set mode=aof max-s").insert == "napshots=");
  CHECK(complete("config set --w").insert == "ait ");
  CHECK(complete("config set ").candidates.size() == 23);
  CHECK(complete("snapshot -").insert == "-no-wait ");
  CHECK(complete("snapsh").insert == "ot");
  CHECK(complete("config AOF ").candidates.empty());
  CHECK(complete("get ge").insert.empty());
  CHECK(complete("zzz").insert.empty());
}

TEST_CASE("commands: names are found in any case, and every one has its help") {
  CHECK(find_command("SeT")->verb == Verb::kSet);
  CHECK(find_command("sets") == nullptr);
  for (const CommandInfo& command : commands()) {
    CHECK(help_text().find(std::string(command.summary)) != std::string::npos);
    CHECK(help_text(command).starts_with("Usage: " + std::string(command.name)));
  }
}

TEST_CASE("commands: the help of health names every service that the server answers for") {
  const std::string help = help_text(*find_command("health"));
  for (const std::string name :
       {"kvstore.KeyValueStore", "kvstore.v1.KeyValueService", "kvstore.writes", "kvstore.persistence"})
    CHECK(help.find(name) != std::string::npos);
}

TEST_CASE("commands: whatever takes - and @FILE says so in its help") {
  for (const std::string name : {"set", "append", "cas"})
    CHECK(help_text(*find_command(name)).find("- (standard input) or @FILE") != std::string::npos);
}

TEST_CASE("target: a missing port is ours, and nonsense is refused before it is dialled") {
  CHECK(*parse_target("localhost") == "localhost:50051");
  CHECK(*parse_target("host:1") == "host:1");
  CHECK(*parse_target("10.1.2.3:65535") == "10.1.2.3:65535");
  CHECK(*parse_target("::1") == "[::1]:50051");
  CHECK(*parse_target("[::1]") == "[::1]:50051");
  CHECK(*parse_target("[::1]:7") == "[::1]:7");
  CHECK(*parse_target("unix:/tmp/socket") == "unix:/tmp/socket");
  for (const char* bad : {"", ":1", "host:", "host:0", "host:65536", "host:x", "http://host:1", "a b:1", "[::1",
                          "[::1]x", "[]:1", "host:-1", "h\xc3\xb6st:1"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_target(bad).ok());
  }
}

TEST_CASE("options: the target of the flag wins, then KVSTORE_TARGET, then KVSTORE_SERVER_ADDR, then the default") {
  const Variables both = {{"KVSTORE_TARGET", "two:2"}, {"KVSTORE_SERVER_ADDR", "three:3"}};
  CHECK(options_of({"--target", "one:1", "keys"}, both).target == "one:1");
  CHECK(options_of({"keys"}, both).target == "two:2");
  CHECK(options_of({"keys"}, {{"KVSTORE_TARGET", ""}, {"KVSTORE_SERVER_ADDR", "three:3"}}).target == "three:3");
  CHECK(options_of({}).target == "127.0.0.1:50051");
  CHECK(option_refusal({}, {{"KVSTORE_TARGET", "x:y"}}).starts_with("KVSTORE_TARGET: 'x:y' has a port"));
}

TEST_CASE("options: everything from the command on belongs to the command") {
  CHECK(options_of({"--quiet", "set", "k", "-5"}).command == Words{"set", "k", "-5"});
  CHECK(options_of({"set", "k", "--output", "json"}).command == Words{"set", "k", "--output", "json"});
  CHECK(options_of({"set", "k", "--help"}).command == Words{"set", "k", "--help"});
  CHECK(options_of({"set", "k", "--", "-x"}).command == Words{"set", "k", "--", "-x"});
  CHECK(options_of({"set", "", " a "}).command == Words{"set", "", " a "});
  CHECK(options_of({"--version"}).command == Words{"version"});
}

TEST_CASE("options: each is read, and each wrong one is named") {
  const CommandLine options = options_of({"--timeout=250ms", "--output", "json", "--durability", "os", "--color",
                                          "never", "--no-input", "--keep-going", "keys"});
  CHECK(options.timeout == 250ms);
  CHECK(options.output == OutputFormat::kJson);
  CHECK(options.level == kvstore::v1::DURABILITY_OS);
  CHECK(options.color == ColorChoice::kNever);
  CHECK((options.no_input && options.keep_going && !options.quiet));
  CHECK(options_of({"keys"}, {{"KVSTORE_TIMEOUT", "2s"}}).timeout == 2s);
  CHECK(options_of({"--timeout", "1s"}, {{"KVSTORE_TIMEOUT", "2s"}}).timeout == 1s);
  CHECK(option_refusal({"--timeout", "5"}) == "--timeout: '5' is no duration from 1ms to 24h");
  CHECK(option_refusal({"--timeout", "0"}).starts_with("--timeout"));
  CHECK(option_refusal({}, {{"KVSTORE_TLS_CA", "ca.pem"}}).starts_with("KVSTORE_TLS_CA is set, but"));
  CHECK(option_refusal({}, {{"KVSTORE_TOKEN_FILE", "token"}}).starts_with("KVSTORE_TOKEN_FILE is set, but"));
  CHECK(option_refusal({}, {{"KVSTORE_TIMEOUT", "soon"}}).starts_with("KVSTORE_TIMEOUT"));
  CHECK(option_refusal({"--output", "xml"}) == "--output: 'xml' is none of human, json, raw, table");
  CHECK(option_refusal({"--durability", "quorum"}) == "--durability: 'quorum' is none of memory, os, disk");
  CHECK(option_refusal({"--color", "red"}).starts_with("--color"));
  CHECK(option_refusal({"--tls-ca", "f", "keys"}) == "unknown option --tls-ca; see kvstore_client --help");
  CHECK(option_refusal({"--target"}).find("--target") != std::string::npos);
}

TEST_CASE("options: the words of grpc_health_probe ask for health") {
  const CommandLine options = options_of({"-addr=db:7", "-connect-timeout", "2s", "-service=kvstore.writes"});
  CHECK(options.target == "db:7");
  CHECK(options.timeout == 2s);
  CHECK(options.command == Words{"health", "kvstore.writes"});
  CHECK(options_of({"-addr=:50052"}).target == "127.0.0.1:50052");
  CHECK(options_of({"-addr", "db:1"}).command == Words{"health"});
}

TEST_CASE("options: called grpc_health_probe it is one") {
  CHECK(options_of({}, {}, "/bin/grpc_health_probe").command == Words{"health"});
}

TEST_CASE("history: the file is in the state folder of the person") {
  CHECK(history_path(environment_of({{"XDG_STATE_HOME", "/s"}, {"HOME", "/h"}})) == "/s/kvstore/history");
  CHECK(history_path(environment_of({{"XDG_STATE_HOME", "s"}, {"HOME", "/h"}})) == "/h/.local/state/kvstore/history");
  CHECK(history_path(environment_of({})).empty());
}

TEST_CASE("expiry: times are read and said as people do") {
  CHECK(parse_ttl("90s")->ttl().seconds() == 90);
  CHECK(parse_ttl("250ms")->ttl().nanos() == 250'000'000);
  CHECK_FALSE(parse_ttl("never").ok());
  // Longer than the library's own durations may be: the server says what is too long.
  CHECK(parse_ttl("9000000000000s")->ttl().seconds() == 9'000'000'000'000);
  CHECK(parse_expiry("100000000d")->ttl().seconds() == 8'640'000'000'000);
  CHECK(about_so_long(250ms) == "250ms");
  CHECK(about_so_long(42s) == "42s");
  CHECK(about_so_long(200s) == "3m 20s");
  CHECK(about_so_long(52h) == "2d 4h");
  CHECK(moment(timestamp_of(1'893'456'000'250)) == "2030-01-01T00:00:00.250Z");
  CHECK(unix_millis(timestamp_of(-1)) == -1);
}

TEST_CASE("completion: each shell gets a script with every command, and no other shell gets one") {
  for (const std::string_view shell : kShells) {
    const auto script = shell_completion(shell);
    REQUIRE(script);
    for (const CommandInfo& command : commands()) CHECK(script->find(command.name) != script->npos);
    CHECK(script->find("NON_PERSISTENT") != script->npos);
    CHECK(script->find("snapshot-interval") != script->npos);
  }
  CHECK_FALSE(shell_completion("csh"));
}

TEST_CASE("completion: every command offers its own options, to who begins with a dash") {
  for (const CommandInfo& command : commands()) {
    const std::string line = std::string(command.name) + (command.verb == Verb::kConfig ? " set " : " ");
    for (const WordOption& option : command.options) {
      const std::string name(option.name);
      CHECK(complete(line + name).insert == " ");
      CHECK(complete(line + "x " + name).insert == " ");
    }
  }
  CHECK(complete("scan --re").candidates == Words{"--relaxed", "--resume"});
  CHECK(complete("get --").candidates.empty());
}

TEST_CASE("completion: keys are offered where a key stands, and only then asked for") {
  std::vector<std::string> asked;
  const FindKeys find = [&](const std::string& prefix) {
    asked.push_back(prefix);
    Words keys{"two words", "user:1", "user:\u00e9", "user:\u00e8"};
    std::erase_if(keys, [&](const std::string& key) { return !key.starts_with(prefix); });
    return keys;
  };
  CHECK(complete("get u", find).insert == "ser:");
  CHECK(complete("get user:", find).candidates == Words{"user:1", "user:\u00e9", "user:\u00e8"});
  CHECK(complete("get user:1", find).insert == " ");
  CHECK(complete("del x use", find).insert == "r:");
  CHECK(complete("get t", find).candidates == Words{"\"two words\""});
  CHECK(complete("get none", find).candidates.empty());
  asked.clear();
  for (const char* line : {"get", "set k ", "config u", "get \"u", "keys u", "fetch u"}) complete(line, find);
  CHECK(asked.empty());
}

TEST_CASE("completion: the server is asked for keys twice a second at most, and not again for what is known") {
  std::chrono::steady_clock::time_point now{};
  Words looked;
  KeyFinder finder(
      [&](const std::string& prefix, std::size_t limit) {
        looked.push_back(prefix);
        return std::optional(prefix == "many" ? Words(limit, "many") : Words{"b2", "b1", "a"});
      },
      [&] { return now; });
  CHECK(finder.find("") == Words{"a", "b1", "b2"});
  CHECK(finder.find("b") == Words{"b1", "b2"});
  CHECK(looked == Words{""});
  now += 10s;
  CHECK(finder.find("many").empty());
  CHECK(finder.find("b").empty());  // Too soon.
  CHECK(looked == Words{"", "many"});
  now += 500ms;
  CHECK(finder.find("b") == Words{"b1", "b2"});
  CHECK(looked == Words{"", "many", "b"});
}
