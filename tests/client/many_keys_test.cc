// mget, scan, delrange, export and txn against the built server.
#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "client/cli/commands.h"
#include "client/cli/table.h"
#include "client/cli/text.h"
#include "tests/client/cutting_proxy.h"
#include "tests/client/desk.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace std::string_literals;

namespace {

struct Room {
  TempDirectory folder;
  RunningServer server{{folder.path() + "/data", {"--mode", "NON_PERSISTENT"}, {}, {}}};
};

// What the process reads as its standard input, while this lives.
class StandardInput {
 public:
  explicit StandardInput(const std::string& bytes) : before_(::dup(STDIN_FILENO)) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    ::close(ends[1]);
    REQUIRE(::dup2(ends[0], STDIN_FILENO) == STDIN_FILENO);
    ::close(ends[0]);
  }
  ~StandardInput() {
    ::dup2(before_, STDIN_FILENO);
    ::close(before_);
  }
  StandardInput(const StandardInput&) = delete;
  StandardInput& operator=(const StandardInput&) = delete;

 private:
  const int before_;
};

std::string sorted_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  std::sort(lines.begin(), lines.end());
  std::string sorted;
  for (const std::string& line : lines) sorted += line + "\n";
  return sorted;
}

}  // namespace

TEST_CASE("many keys: mget answers in the order of the words and says what is missing") {
  Room room;
  Desk desk(room.server.address());
  desk.type("set a 1");
  desk.type(R"(set "b c" \xff)");
  CHECK(desk.type(R"(mget a none "b c" a)") == ExitCode::kMissing);
  CHECK(desk.out == "a: 1\nnone: Key not found\n\"b c\": \"\\xff\"\na: 1\n");
  CHECK(desk.type("mget a") == ExitCode::kDone);
  Desk json(room.server.address(), {.format = OutputFormat::kJson});
  json.type("mget a none");
  CHECK(json.out ==
        "{\"key\":\"a\",\"value\":\"1\",\"version\":1,\"found\":true}\n{\"key\":\"none\",\"found\":false}\n");
  Desk table(room.server.address(), {.format = OutputFormat::kTable});
  table.type("mget a none");
  CHECK(table.out == "KEY   VALUE  VERSION  EXPIRES\na     1      1\nnone  -      -\n");
}

TEST_CASE("many keys: mget takes more words than a call takes keys") {
  Room room;
  Desk desk(room.server.address());
  desk.type("set a 1");
  desk.type("set b 2");
  std::string line = "mget";
  for (int i = 0; i < 65'536; ++i) line += " a";
  CHECK(desk.type(line + " b") == ExitCode::kDone);
  CHECK(std::count(desk.out.begin(), desk.out.end(), '\n') == 65'537);
  CHECK(desk.out.substr(desk.out.size() - 10) == "a: 1\nb: 2\n");
}

TEST_CASE("many keys: off a terminal a value of get is exact, and in lists every entry keeps to its line") {
  Room room;
  Desk desk(room.server.address(), {.terminal = false});
  desk.pipe("set k \"a\\nb\"\n");
  desk.type("get k");
  CHECK(desk.out == "Value: a\nb\n");
  const std::pair<const char*, const char*> lists[] = {
      {"mget k", "k: \"a\\nb\"\n"},
      {"scan --values", "k: \"a\\nb\"\n"},
      {"txn get k", "Done\nk: Value: \"a\\nb\"\n"},
      {"cas k other x", "Not applied: version 1, value \"a\\nb\"\n"},
  };
  for (const auto& [line, answer] : lists) {
    desk.type(line);
    CHECK(desk.out == answer);
  }
  Desk raw(room.server.address(), {.format = OutputFormat::kRaw, .terminal = false});
  raw.type("mget k");
  CHECK(raw.out == "k\ta\\nb\n");
  raw.type("scan --values");
  CHECK(raw.out == "k\ta\\nb\n");
  raw.type("txn get k");
  CHECK(raw.out == "Value: \"a\\nb\"\n");
}

TEST_CASE("many keys: a scan lists what its range and pattern select") {
  Room room;
  Desk desk(room.server.address());
  for (const char* key : {"user:1", "user:2", "user:10", "item:1"}) desk.type("set "s + key + " v");
  desk.type("scan user:");
  CHECK(sorted_lines(desk.out) == "user:1\nuser:10\nuser:2\n");
  desk.type("scan --glob *:1 --values");
  CHECK(sorted_lines(desk.out) == "item:1: v\nuser:1: v\n");
  desk.type("scan --start user:10 --end user:2");
  CHECK(desk.out == "user:10\n");
  desk.type("scan --limit 2 --relaxed");
  CHECK(std::count(desk.out.begin(), desk.out.end(), '\n') == 2);
  REQUIRE(desk.error.starts_with("there is more: go on with --resume "));
  const std::string first = desk.out;
  const std::string token = desk.error.substr(desk.error.rfind(' ') + 1);
  desk.type("scan --relaxed --resume " + token.substr(0, token.size() - 1));
  CHECK(sorted_lines(first + desk.out) == "item:1\nuser:1\nuser:10\nuser:2\n");
  CHECK(desk.error.empty());
  CHECK(desk.type("scan user: --start a") == ExitCode::kUsage);
  CHECK(desk.error == "a prefix and --start or --end exclude each other\n");
  CHECK(desk.type("scan --limit 0") == ExitCode::kUsage);
  CHECK(desk.type("scan --resume %%") == ExitCode::kUsage);
  CHECK(desk.type("scan --glob [") == ExitCode::kUsage);
  CHECK(desk.error.starts_with("Scan failed: PATTERN_INVALID: "));
}

TEST_CASE("many keys: delrange counts, asks, and deletes only when told to") {
  Room room;
  Desk desk(room.server.address());
  for (const char* key : {"user:1", "user:2", "item:1"}) desk.type("set "s + key + " v");
  CHECK(desk.type("delrange user: --dry-run") == ExitCode::kDone);
  CHECK(desk.out == "Would delete: 2\n");
  CHECK(desk.asked.empty());
  CHECK(desk.type("delrange user:") == ExitCode::kUsage);
  CHECK(desk.error == "delrange asks before it deletes: give --yes where nobody can be asked\n");
  desk.person_says = false;
  CHECK(desk.type("delrange user:") == ExitCode::kFailed);
  CHECK(desk.asked == "2 keys: every key that begins with user:. Delete them? [y/N] ");
  desk.type("keys");
  CHECK(desk.out == "Keys: [item:1 user:1 user:2]\n");
  desk.person_says = true;
  CHECK(desk.type("delrange user:") == ExitCode::kDone);
  CHECK(desk.out == "Deleted: 2\n");
  CHECK(desk.type("delrange") == ExitCode::kUsage);
  CHECK(desk.error == "name a prefix, --start or --end, or --all for every key\n");
  CHECK(desk.type("delrange user: --all") == ExitCode::kUsage);
  CHECK(desk.type("delrange --all --yes") == ExitCode::kDone);
  CHECK(desk.out == "Deleted: 1\n");
  desk.type("keys");
  CHECK(desk.out == "Keys: []\n");
}

TEST_CASE("many keys: delrange with --yes is one call, whose level counts where nothing matches, and is told") {
  Room room;
  Desk disk(room.server.address(), {.level = kvstore::v1::DURABILITY_DISK});
  CHECK(disk.type("delrange none --yes") == ExitCode::kRefused);
  CHECK_THAT(disk.error, Catch::Matchers::Contains("DURABILITY_UNAVAILABLE: "));
  CHECK(disk.type("delrange none --dry-run") == ExitCode::kDone);
  Desk json(room.server.address(), {.format = OutputFormat::kJson});
  json.type("set user:1 v");
  CHECK(json.type("delrange none --yes") == ExitCode::kDone);
  CHECK(json.out == "{\"deleted\":0,\"dry_run\":false,\"durability\":\"memory\"}\n");
  CHECK(json.type("delrange user: --yes") == ExitCode::kDone);
  const Json told = Json::parse(json.out);
  CHECK(told["deleted"] == 1);
  CHECK(told["revision"] > 1);
  CHECK(told["durability"] == "memory");
}

TEST_CASE("many keys: delrange says when the count may be only of what an attempt before it had left") {
  Room room;
  CuttingProxy proxy(room.server.address());
  Desk desk(proxy.target());
  desk.type("set a1 1");
  for (int i = 0; i < 12; ++i) desk.type("get a1");  // A client whose calls fail too often stops trying.
  CHECK(desk.type("delrange none --yes") == ExitCode::kDone);
  CHECK(desk.error.empty());
  proxy.cut_next();
  CHECK(desk.type("delrange a --yes") == ExitCode::kDone);
  CHECK(desk.out == "Deleted: 1\n");
  CHECK(
      desk.error ==
      "The connection was lost, and this answer is that of another attempt: if the first one was cut short, the number "
      "is only of the keys that it had left\n");
  CHECK(proxy.cuts() == 1);
  Desk json(proxy.target(), {.format = OutputFormat::kJson});
  json.type("set a1 1");
  for (int i = 0; i < 12; ++i) json.type("get a1");
  proxy.cut_next();
  CHECK(json.type("delrange a --yes") == ExitCode::kDone);
  CHECK(json.out.find("\"deleted\":1,\"dry_run\":false") != std::string::npos);
  CHECK(json.out.find("\"replayed\":true") != std::string::npos);
}

TEST_CASE("many keys: a transaction does one branch or the other, in one step") {
  Room room;
  Desk desk(room.server.address());
  desk.type("set a 1");
  CHECK(desk.type("txn if a = 1; if n absent; then set a 2; incr n 5; else get a") == ExitCode::kDone);
  CHECK(desk.out == "The conditions held\na: set\nn: Value: 5\n");
  CHECK(desk.type("txn if a = 1; then set a 3; else get a; get none") == ExitCode::kMissing);
  CHECK(desk.out == "A condition did not hold\na: Value: 2\nnone: Key not found\n");
  Desk json(room.server.address(), {.format = OutputFormat::kJson});
  json.type("txn 'append a x; del n'");
  CHECK(json.out.starts_with(
      R"({"succeeded":true,"results":[{"key":"a","length":2},{"key":"n","deleted":true}],"revision":)"));
  CHECK(desk.type("txn set a b; incr a") == ExitCode::kRefused);
  CHECK(desk.error.starts_with("Txn failed: NOT_AN_INTEGER: "));
  desk.type("get a");
  CHECK(desk.out == "Value: 2x\n");  // All or nothing.
}

TEST_CASE("many keys: a transaction that is typed stores every value that can be typed, whatever it holds") {
  Room room;
  Desk desk(room.server.address());
  Desk shell(room.server.address(), {.one_shot = true});
  std::vector<std::string> values = {"v;else",        ";",      "; del k", "# no comment", "a\nb",
                                     "{\"then\":[]}", "'\"\\'", "a\"b;",   "\xff;"};
  for (char c = 1; c > 0 && c < 0x7f; ++c)
    values.insert(values.end(), {"v"s + c + "else", c + "x"s, std::string(1, c)});
  for (const std::string& value : values) {
    std::string word = kv::escaped(value);
    for (std::size_t at = 0; (at = word.find('"', at)) != word.npos; at += 2) word.insert(at, "\\");
    word = '"' + word + '"';
    CAPTURE(word);
    CHECK(desk.pipe("txn set k " + word + "\n") == ExitCode::kDone);
    CHECK(desk.connection().get("k")->value_or("(none)") == value);
    CHECK(desk.pipe("txn set other 1; set k " + word + "; get k\n") == ExitCode::kDone);
    CHECK(desk.connection().get("k")->value_or("(none)") == value);
    desk.type("del k");
    CHECK(shell.type("txn set k " + word) == ExitCode::kDone);
    CHECK(shell.connection().get("k")->value_or("(none)") == value);
  }
  CHECK(desk.pipe("txn 'set k \"a; b\"; set other \"it\\x27s\"'\n") == ExitCode::kDone);
  CHECK(desk.connection().get("k")->value_or("(none)") == "a; b");
  CHECK(desk.connection().get("other")->value_or("(none)") == "it's");
  CHECK(desk.pipe("TXN if k = 'a; b'; then set k  'x  \"y\"' ; else get k\n") == ExitCode::kDone);
  CHECK(desk.connection().get("k")->value_or("(none)") == "x  \"y\"");
  CHECK(desk.pipe(R"(txn {"then": [{"set": {"key": "k", "value": "two  blanks\n"}}]})"
                  "\n") == ExitCode::kDone);
  CHECK(desk.connection().get("k")->value_or("(none)") == "two  blanks\n");
  CHECK(desk.pipe("txn set k \"half\n") == ExitCode::kUsage);
  CHECK(desk.pipe("txn \"set k half\n") == ExitCode::kUsage);
  CHECK(desk.pipe("txn\n") == ExitCode::kUsage);
  CHECK(desk.error.starts_with("Usage: txn"));
}

TEST_CASE("many keys: a transaction comes from a file or from standard input as well") {
  Room room;
  Desk desk(room.server.address(), {.one_shot = true});
  const std::string file = room.folder.path() + "/transaction";
  std::ofstream(file) << "# a comment\nset a 1\nincr n 5\n";
  CHECK(desk.type("txn @" + file) == ExitCode::kDone);
  CHECK(desk.out == "Done\na: set\nn: Value: 5\n");
  {
    const StandardInput input(R"({"if":[{"key":"a","value":"1"}],"then":[{"incr":{"key":"n","delta":-1}}]})");
    CHECK(desk.type("txn -") == ExitCode::kDone);
    CHECK(desk.out == "The conditions held\nn: Value: 4\n");
  }
  {
    const StandardInput nonsense("flip a");
    CHECK(desk.type("txn -") == ExitCode::kUsage);
  }
  CHECK(desk.type("txn @" + file + ".none") == ExitCode::kUsage);
  CHECK(desk.error == "Txn failed: " + file + ".none: No such file or directory\n");
  CHECK(desk.type("get n") == ExitCode::kDone);
  CHECK(desk.out == "Value: 4\n");
}

TEST_CASE("many keys: an export that is interrupted says where to go on, and nothing is missing or doubled") {
  constexpr int kEntries = 20'000;  // Many chunks.
  Room room;
  Desk desk(room.server.address());
  const std::string file = room.folder.path() + "/entries";
  {
    std::ofstream out(file);
    for (int i = 0; i < kEntries; ++i)
      out << R"({"key":"k)" << i << R"(","value":")" << std::string(100, 'v') << "\"}\n";
  }
  REQUIRE(desk.type("import " + file) == ExitCode::kDone);
  desk.interrupted = true;
  std::string first;
  while (first.empty()) {  // Before its first chunk it has nowhere to go on from.
    CHECK(desk.type("export") == ExitCode::kInterrupted);
    first = desk.out;
  }
  const auto lines = std::count(first.begin(), first.end(), '\n');
  CHECK(lines < kEntries);
  CHECK(desk.error.find(std::to_string(lines) + " entries are exported; go on with --resume ") != std::string::npos);
  std::string where = desk.error.substr(desk.error.find("--resume"));
  where.resize(where.find('\n'));
  desk.interrupted = false;
  CHECK(desk.type("export " + where) == ExitCode::kDone);
  std::stringstream all;
  all << std::ifstream(file).rdbuf();
  CHECK(sorted_lines(first + desk.out) == sorted_lines(all.str()));
  CHECK(desk.type("export --resume bm90IGEgdG9rZW4=") == ExitCode::kUsage);
}

TEST_CASE("many keys: --durability counts for every command that writes") {
  Room room;
  Desk plain(room.server.address());
  plain.type("set k v");
  const std::string file = room.folder.path() + "/entries";
  std::ofstream(file) << R"({"key":"k","value":"imported"})"
                      << "\n";
  const std::map<Verb, std::string> writes = {{Verb::kSet, "set k w"},          {Verb::kDel, "del k"},
                                              {Verb::kIncr, "incr n"},          {Verb::kAppend, "append k w"},
                                              {Verb::kExpire, "expire k 1s"},   {Verb::kCas, "cas k v w"},
                                              {Verb::kTxn, "txn set k w"},      {Verb::kDelrange, "delrange k --yes"},
                                              {Verb::kImport, "import " + file}};
  const std::set<Verb> others = {Verb::kGet,    Verb::kKeys, Verb::kConfig,     Verb::kExit,      Verb::kTtl,
                                 Verb::kMget,   Verb::kScan, Verb::kExport,     Verb::kStatus,    Verb::kStats,
                                 Verb::kSlow,   Verb::kBig,  Verb::kSnapshot,   Verb::kSnapshots, Verb::kRewriteLog,
                                 Verb::kHealth, Verb::kHelp, Verb::kCompletion, Verb::kVersion};
  for (const auto level : {kvstore::v1::DURABILITY_OS, kvstore::v1::DURABILITY_DISK}) {
    Desk desk(room.server.address(), {.level = level});
    for (const CommandInfo& command : commands()) {
      if (others.contains(command.verb)) continue;
      CAPTURE(command.name);
      REQUIRE(writes.contains(command.verb));  // A new command is one or the other.
      CHECK(desk.type(writes.at(command.verb)) == ExitCode::kRefused);
      CHECK(desk.error.find("DURABILITY_UNAVAILABLE: ") != std::string::npos);
    }
  }
  plain.type("export");
  CHECK(plain.out == "{\"key\":\"k\",\"value\":\"v\"}\n");
}

TEST_CASE("many keys: what export prints, import makes again, bytes and expiries alike") {
  Room room;
  Desk desk(room.server.address());
  desk.type(R"(set "t\xff" "\x00")");
  desk.type("set text é");
  desk.type("cas --absent --ttl 1d soon v");
  desk.type("set late v");
  CHECK(desk.type("expire late 9999-12-31T23:59:59.9999Z") == ExitCode::kDone);  // the last moment that there is
  CHECK(desk.type("export") == ExitCode::kDone);
  const std::string exported = sorted_lines(desk.out);
  CHECK(std::count(exported.begin(), exported.end(), '\n') == 4);
  CHECK(exported.find(R"("expire_time":"9999-12-31T23:59:59.999Z")") != std::string::npos);
  CHECK(exported.find(R"({"key_base64":"dP8=","value_base64":"AA=="})") == std::string::npos);
  CHECK(exported.find(R"({"key_base64":"dP8=","value":"\u0000"})") != std::string::npos);
  CHECK(exported.find(R"("expire_time":")") != std::string::npos);
  const std::string file = room.folder.path() + "/entries";
  std::ofstream(file) << exported;
  CHECK(desk.type("delrange --all --yes") == ExitCode::kDone);
  CHECK(desk.type("import " + file) == ExitCode::kDone);
  desk.type("export");
  CHECK(sorted_lines(desk.out) == exported);
  desk.type("export te");
  CHECK(desk.out == "{\"key\":\"text\",\"value\":\"é\"}\n");
}

TEST_CASE("table: columns are as wide as their cells, and one long value moves only its own line") {
  std::string text;
  Table table({"A", "B"}, [&](std::string_view line) { (text += line) += "\n"; });
  table.row({"é", "1"});
  table.row({"long", ""});
  table.row({std::string(80, 'x'), "2"});
  table.end();
  CHECK(text ==
        "A" + std::string(61, ' ') + "B\né" + std::string(61, ' ') + "1\nlong\n" + std::string(80, 'x') + "  2\n");
}
