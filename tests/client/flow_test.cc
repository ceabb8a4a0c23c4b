// Commands against a server: what a person and a script see.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "tests/client/desk.h"
#include "tests/client/fake_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::chrono_literals;
using namespace std::string_literals;

TEST_CASE("client: the five commands speak the original's words") {
  FakeServer server;
  Desk desk(server.target());
  CHECK(desk.type("set name johndoe") == ExitCode::kDone);
  CHECK(desk.out == "Set operation successful\n");
  desk.type("GET name");
  CHECK(desk.out == "Value: johndoe\n");
  desk.type("set a  b   c");
  desk.type("get a");
  CHECK(desk.out == "Value: b c\n");
  CHECK(desk.type("keys") == ExitCode::kDone);
  CHECK(desk.out == "Keys: [a name]\n");
  desk.type("del name");
  CHECK(desk.out == "Delete operation successful\n");
  CHECK(desk.type("del name") == ExitCode::kMissing);
  CHECK(desk.out == "Key not found\n");
  CHECK(desk.type("get name") == ExitCode::kMissing);
  CHECK(desk.out == "Key not found\n");
  desk.type("config HYBRID 60 3 1048576");
  CHECK(desk.out == "Config operation successful\n");
  CHECK(server.last_config().storage_mode() == kvstore::HYBRID);
  CHECK(server.last_config().aof_max_size() == 1 << 20);
  desk.type("del a");
  desk.type("keys");
  CHECK(desk.out == "Keys: []\n");
  CHECK(desk.error.empty());
}

TEST_CASE("client: wrong words show the original's usage lines and make no call") {
  FakeServer server;
  Desk desk(server.target());
  const std::pair<const char*, const char*> cases[] = {
      {"set", "Usage: set <key> <value>\n"},
      {"set k", "Usage: set <key> <value>\n"},
      {"get", "Usage: get <key>\n"},
      {"get a b", "Usage: get <key>\n"},
      {"del", "Usage: del <key>\n"},
      {"config", "Usage: config <storage_mode> [snapshot_interval] [max_snapshots] [aof_max_size]\n"},
      {"fetch k", "Unknown command. Available commands: set, get, del, keys, config, exit\n"},
  };
  for (const auto& [line, answer] : cases) {
    CHECK(desk.type(line) == ExitCode::kUsage);
    CHECK(desk.error == answer);
    CHECK(desk.out.empty());
  }
  CHECK(server.calls() == 0);
}

TEST_CASE("client: an empty value is not a missing one, where the server tells") {
  FakeServer server;
  Desk desk(server.target());
  desk.type(R"(set empty "")");
  CHECK(desk.type("get empty") == ExitCode::kDone);
  CHECK(desk.out == "Value: \n");
  server.v1.absent = true;
  CHECK(desk.type("get empty") == ExitCode::kDone);  // The old service of ours says it in a trailer.
  server.sends_trailers = false;
  CHECK(desk.type("get empty") == ExitCode::kMissing);
}

TEST_CASE("client: a server that has only the old service is used as it always was") {
  FakeServer server;
  server.v1.absent = true;
  server.sends_trailers = false;
  Desk desk(server.target(), {.level = kvstore::v1::DURABILITY_OS});
  CHECK(desk.type("set k v") == ExitCode::kDone);
  CHECK(server.last_durability() == "os");
  desk.type("get k");
  CHECK(desk.out == "Value: v\n");
  CHECK(desk.type("del k") == ExitCode::kDone);
  CHECK(desk.type("del k") == ExitCode::kMissing);
  CHECK(server.calls() == 4);
  CHECK(desk.type("cas --absent k v") == ExitCode::kFailed);
  CHECK(desk.error.starts_with("Cas failed: "));
}

TEST_CASE("client: a key that is no text is stored, shown and deleted like any other") {
  FakeServer server;
  Desk desk(server.target());
  CHECK(desk.type(R"(set \xff v)") == ExitCode::kDone);
  CHECK(server.data().at("\xff") == "v");
  CHECK(desk.type(R"(get \xff)") == ExitCode::kDone);
  CHECK(desk.type(R"(del \xff)") == ExitCode::kDone);
  CHECK(server.data().empty());
}

TEST_CASE("cas: a value is set while the key holds what was expected, and shown otherwise") {
  FakeServer server;
  Desk desk(server.target());
  CHECK(desk.type("cas --absent k 1") == ExitCode::kDone);
  CHECK(desk.out == "Cas operation successful\n");
  CHECK(desk.type("cas k 2 3") == ExitCode::kMissing);
  CHECK(desk.out == "Not applied: version 7, value 1\n");
  CHECK(desk.type("cas k 1 2") == ExitCode::kDone);
  CHECK(desk.type("cas --version 7 k 3") == ExitCode::kMissing);
  CHECK(desk.type("cas --version=8 k -- --x") == ExitCode::kDone);
  CHECK(server.data().at("k") == "--x");
  CHECK(desk.type("cas none 1 2") == ExitCode::kMissing);
  CHECK(desk.out == "Not applied: there is no such key\n");
  Desk json(server.target(), {.format = OutputFormat::kJson});
  json.type("cas k 1 2");
  CHECK(json.out == "{\"key\":\"k\",\"applied\":false,\"found\":true,\"value\":\"--x\",\"version\":9}\n");
  json.type("cas k -- --x 2");
  CHECK(json.out == "{\"key\":\"k\",\"applied\":true,\"revision\":10,\"durability\":\"disk\"}\n");
}

TEST_CASE("cas: on the shell's command line both values come from files as well, in a session they are as typed") {
  FakeServer server;
  TempDirectory directory;
  std::ofstream(directory.file("old")) << "one\n";
  std::ofstream(directory.file("new")) << "two\n";
  Desk shell(server.target(), {.one_shot = true});
  CHECK(shell.type("cas --absent k @" + directory.file("old")) == ExitCode::kDone);
  CHECK(shell.type("cas k @" + directory.file("old") + " @" + directory.file("new")) == ExitCode::kDone);
  CHECK(server.data().at("k") == "two\n");
  CHECK(shell.type("cas k @" + directory.file("none") + " x") == ExitCode::kUsage);
  CHECK(shell.error.find("No such file") != std::string::npos);
  CHECK(shell.type("cas k - -") == ExitCode::kUsage);
  CHECK(shell.error == "standard input can be one of the two values, not both\n");
  CHECK(server.data().at("k") == "two\n");
  Desk session(server.target());
  session.pipe("set k @x\ncas k @x -\n");
  CHECK(server.data().at("k") == "-");
  session.pipe("cas k - @y\n");
  CHECK(server.data().at("k") == "@y");
}

TEST_CASE("cas: wrong words are named, and no call is made") {
  FakeServer server;
  Desk desk(server.target());
  const std::pair<const char*, const char*> cases[] = {
      {"cas k 1", "Usage: cas <key> <expected> <value>\n"},
      {"cas --absent k 1 2", "Usage: cas <key> <expected> <value>\n"},
      {"cas --absent --version 1 k v", "--version and --absent exclude each other\n"},
      {"cas --ttl 5s --keep-ttl k 1 2", "--ttl and --keep-ttl exclude each other\n"},
      {"cas --ttl 5 k 1 2", "'5' is no duration such as 250ms, 90s, 5m, 12h or 30d\n"},
      {"cas --ttl 0s k 1 2", "'0s' is no duration such as 250ms, 90s, 5m, 12h or 30d\n"},
      {"cas --version x k v", "'x' is no version\n"},
      {"cas k v --version", "--version lacks its value\n"},
      {"cas --absent=1 k v", "--absent takes no value\n"},
      {"cas --absent --absent k v", "--absent is given twice\n"},
      {"cas --soon k 1 2", "unknown option --soon\n"},
  };
  for (const auto& [line, answer] : cases) {
    CAPTURE(line);
    CHECK(desk.type(line) == ExitCode::kUsage);
    CHECK(desk.error == answer);
  }
  CHECK(server.calls() == 0);
}

TEST_CASE("client: any bytes go there and back, escaped on a terminal and exact elsewhere") {
  FakeServer server;
  Desk terminal(server.target());
  Desk pipe(server.target(), {.terminal = false});
  terminal.type(R"(set "a b" "line\nend\x00\xff")");
  CHECK(server.data().at("a b") == "line\nend\0\xff"s);
  terminal.type(R"(get a\ b)");
  CHECK(terminal.out == "Value: \"line\\nend\\x00\\xff\"\n");
  pipe.type(R"(get "a b")");
  CHECK(pipe.out == "Value: line\nend\0\xff\n"s);
  terminal.type("set a 1");
  terminal.type("set b 1");
  terminal.type("keys");
  CHECK(terminal.out == "Keys: [a \"a b\" b]\n");
  terminal.type("keys a*");
  CHECK(terminal.out == "Keys: [a \"a b\"]\n");
}

TEST_CASE("client: a single get into a file is the value and nothing else") {
  FakeServer server;
  Desk file(server.target(), {.terminal = false, .one_shot = true});
  file.type(R"(set k "v\n")");
  file.type("get k");
  CHECK(file.out == "v\n");
  CHECK(file.type("get other") == ExitCode::kMissing);
  CHECK(file.out.empty());
  CHECK(file.error == "Key not found\n");
  Desk asked(server.target(), {.format = OutputFormat::kHuman, .terminal = false, .one_shot = true});
  asked.type("get k");
  CHECK(asked.out == "Value: v\n\n");
}

TEST_CASE("client: several keys are deleted one by one, and each answer says whose it is") {
  FakeServer server;
  Desk desk(server.target());
  desk.type("set a 1");
  desk.type("set 'c d' 1");
  CHECK(desk.type("del a b 'c d'") == ExitCode::kMissing);
  CHECK(desk.out == "a: Delete operation successful\nb: Key not found\n\"c d\": Delete operation successful\n");
  CHECK(server.data().empty());
}

TEST_CASE("client: JSON is one object a line, base64 where bytes are not text") {
  FakeServer server;
  Desk desk(server.target(), {.format = OutputFormat::kJson});
  desk.type(R"(set k "é\n")");
  CHECK(desk.out == "{\"key\":\"k\",\"applied\":true,\"revision\":7,\"durability\":\"disk\"}\n");
  desk.type("get k");
  CHECK(desk.out == "{\"key\":\"k\",\"found\":true,\"value\":\"é\\n\"}\n");
  desk.type(R"(set b \xff)");
  desk.type("get b");
  CHECK(desk.out == "{\"key\":\"b\",\"found\":true,\"value_base64\":\"/w==\"}\n");
  CHECK(desk.type("get none") == ExitCode::kMissing);
  CHECK(desk.out == "{\"key\":\"none\",\"found\":false}\n");
  desk.type("keys");
  CHECK(desk.out == "{\"key\":\"b\"}\n{\"key\":\"k\"}\n");
  desk.type("del k none");
  CHECK(desk.out ==
        "{\"key\":\"k\",\"deleted\":true,\"revision\":9,\"durability\":\"disk\"}\n"
        "{\"key\":\"none\",\"deleted\":false}\n");
  desk.type("config aof 100");
  CHECK(desk.out == "{\"mode\":\"AOF\",\"complete\":true}\n");
  server.answer = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "EMPTY_KEY: a key has at least one byte");
  CHECK(desk.type(R"(get "")") == ExitCode::kUsage);
  CHECK(desk.error ==
        "{\"error\":{\"code\":\"INVALID_ARGUMENT\",\"reason\":\"EMPTY_KEY\","
        "\"message\":\"EMPTY_KEY: a key has at least one byte\"}}\n");
}

TEST_CASE("client: raw is the data alone, quiet is no word about success") {
  FakeServer server;
  Desk raw(server.target(), {.format = OutputFormat::kRaw, .one_shot = true});
  raw.type("set k v");
  CHECK(raw.out.empty());
  raw.type("get k");
  CHECK(raw.out == "v");
  raw.type("keys");
  CHECK(raw.out == "k\n");
  Desk quiet(server.target(), {.quiet = true});
  quiet.type("set q v");
  quiet.type("del q");
  CHECK(quiet.out.empty());
  quiet.type("get k");
  CHECK(quiet.out == "Value: v\n");
}

TEST_CASE("client: what the server says beside its answer is passed on") {
  FakeServer server;
  Desk desk(server.target(), {.level = kvstore::v1::DURABILITY_MEMORY});
  desk.type("set k v");
  CHECK(server.v1.last_options().durability() == kvstore::v1::DURABILITY_MEMORY);
  server.omits_a_key = true;
  desk.type("keys");
  CHECK(desk.error == "1 more keys are not UTF-8 and cannot be listed by this call\n");
  server.switch_goes_on = true;
  desk.type("config AOF");
  CHECK(desk.out == "Config operation successful\n");
  CHECK(desk.error == "The change is recorded and goes on in the background\n");
}

TEST_CASE("client: health names the status and ends as a check must") {
  FakeServer server;
  Desk desk(server.target());
  CHECK(desk.type("health") == ExitCode::kDone);
  CHECK(desk.out == "status: SERVING\n");
  CHECK(desk.type("health no.such.service") == ExitCode::kUsage);
  CHECK(desk.out == "status: SERVICE_UNKNOWN\n");
  server.stop();
  CHECK(desk.type("health") == ExitCode::kUnreachable);
  CHECK(desk.error.starts_with("Health failed: cannot reach " + server.target() + ": "));
}

TEST_CASE("lines: they run in order to the end of input, the last one without its end too") {
  FakeServer server;
  Desk desk(server.target(), {.terminal = false});
  CHECK(desk.pipe("set a 1\r\n\n  \nget a\nget none\nkeys") == ExitCode::kDone);
  CHECK(desk.out == "Set operation successful\nValue: 1\nKey not found\nKeys: [a]\n");
  CHECK(desk.pipe("") == ExitCode::kDone);
  CHECK(desk.pipe("exit\nset never v\n") == ExitCode::kDone);
  CHECK(desk.out == "Exiting client.\n");
  CHECK(server.data().size() == 1);
}

TEST_CASE("lines: the first error ends it unless told to go on, and gives the exit code either way") {
  FakeServer server;
  Desk desk(server.target(), {.terminal = false});
  CHECK(desk.pipe("set a 1\nset \"b\nset c 1\n") == ExitCode::kUsage);
  CHECK(desk.error == "column 5: the quote that begins here has no end\nstopped at line 2\n");
  CHECK(server.data().size() == 1);
  CHECK(desk.pipe("bogus\nset c 1\nget\n", true) == ExitCode::kUsage);
  CHECK(server.data().size() == 2);
}

TEST_CASE("input: a value may come from a file, and a file that is not there is one line") {
  FakeServer server;
  Desk desk(server.target(), {.one_shot = true});
  const TempDirectory folder;
  const std::string path = folder.path() + "/value";
  std::ofstream(path) << "a\0\n b"s;
  CHECK(desk.type("set k @" + path) == ExitCode::kDone);
  CHECK(server.data().at("k") == "a\0\n b"s);
  std::filesystem::remove(path);
  CHECK(desk.type("set k @" + path) == ExitCode::kUsage);
  CHECK(desk.error == "Set failed: " + path + ": No such file or directory\n");
  Desk session(server.target());
  session.type("set k @plain");
  CHECK(server.data().at("k") == "@plain");
}
