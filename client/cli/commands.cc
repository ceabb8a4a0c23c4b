#include "client/cli/commands.h"

#include <algorithm>

#include <fmt/format.h>

namespace kv {
namespace {

constexpr std::span<const WordOption> kNoOptions;
constexpr WordOption kConfigOptions[] = {{"--check"}, {"--wait"}, {"--snapshot-first"}, {"--if-version", true}};
constexpr WordOption kCasOptions[] = {{"--version", true}, {"--absent"}, {"--ttl", true}, {"--keep-ttl"}};
constexpr WordOption kExportOptions[] = {{"--resume", true}};
constexpr WordOption kImportOptions[] = {{"--offset", true}, {"--state", true}, {"--keep-going"}};
constexpr WordOption kIncrOptions[] = {
    {"--initial", true}, {"--min", true}, {"--max", true}, {"--saturate"}, {"--ttl", true}};
constexpr WordOption kScanOptions[] = {{"--glob", true},  {"--values"},    {"--limit", true}, {"--relaxed"},
                                       {"--start", true}, {"--end", true}, {"--resume", true}};
constexpr WordOption kDelrangeOptions[] = {{"--all"}, {"--start", true}, {"--end", true}, {"--dry-run"}, {"--yes"}};
constexpr WordOption kStatsOptions[] = {{"--watch"}, {"--every", true}, {"--rounds", true}};
constexpr WordOption kListOptions[] = {{"--limit", true}, {"--watch"}, {"--every", true}, {"--rounds", true}};
constexpr WordOption kNoWait[] = {{"--no-wait"}};

constexpr CommandInfo kCommands[] = {
    {Verb::kSet, "set", "set <key> <value>", "store a value under a key",
     "Words of the value that are not quoted are joined by one blank. On the shell's command line the value may be\n"
     "- (standard input) or @FILE (the bytes of a file); one that is - itself, or begins with @, is typed in a "
     "session.\n",
     2, kAnyNumber, KeyPlace::kFirst, kNoOptions,
     "set user:1 johndoe\n"
     "set 'my key' \"two  blanks\"\n"},
    {Verb::kGet, "get", "get <key>", "show the value of a key", "", 1, 1, KeyPlace::kFirst, kNoOptions, "get user:1\n"},
    {Verb::kDel, "del", "del <key>", "delete a key, or several",
     "  del <key>...\nSeveral keys are deleted one after the other; the exit code is 3 when one was not there.\n", 1,
     kAnyNumber, KeyPlace::kAll, kNoOptions,
     "del greeting\n"
     "del user:8 user:9\n"},
    {Verb::kKeys, "keys", "keys [pattern]", "list the keys, or those that match a pattern",
     "In a pattern, * stands for any text, ? for one character, [a-z] for one of a set, [!a-z] for one outside it.\n",
     0, 1, KeyPlace::kNone, kNoOptions,
     "keys\n"
     "keys user:*\n"},
    {Verb::kConfig, "config", "config <storage_mode> [snapshot_interval] [max_snapshots] [aof_max_size]",
     "change the storage mode, show the settings or change them",
     "  config NON_PERSISTENT\n"
     "  config SNAPSHOT <snapshot_interval> <max_snapshots>\n"
     "  config AOF <aof_max_size>\n"
     "  config HYBRID <snapshot_interval> <max_snapshots> <aof_max_size>\n"
     "The interval is in seconds (or 90s, 5m, 1h), the size in bytes (or 512KiB, 10MiB). A mode without numbers takes\n"
     "the defaults: 300 seconds, 5 snapshots, 10 MiB.\n"
     "  config get [name]...\n"
     "  config set <name>=<value>... [--check] [--wait] [--snapshot-first] [--if-version <number>]\n"
     "Names are those of the server's flags: config set fsync=interval fsync-interval=200ms. --check only says "
     "whether\n"
     "it could be done; --wait waits until a new mode's promise holds; --snapshot-first takes a last snapshot on the\n"
     "way to NON_PERSISTENT; --if-version does it only while the settings are at the version that config get shows.\n",
     1, kAnyNumber, KeyPlace::kNone, kConfigOptions,
     "config get fsync snapshot-interval\n"
     "config set slow-threshold=50ms\n"
     "config HYBRID 5m 5 10MiB\n"},
    {Verb::kExit, "exit", "exit", "leave the interactive client (also Ctrl-D)", "", 0, kAnyNumber},
    {Verb::kCas, "cas", "cas <key> <expected> <value>", "set a value only if the key holds another",
     "  cas <key> <expected> <value>\n"
     "  cas --version <number> <key> <value>\n"
     "  cas --absent <key> <value>\n"
     "Done only while the key holds the expected value, is at that version, or is not there; else the present value "
     "is\n"
     "shown and the exit code is 3. --ttl <duration> gives the key a time to live, --keep-ttl keeps the one it has;\n"
     "without them it has none. Options stand before a word -- when a key or a value begins with two dashes. On the\n"
     "shell's command line both values may be - (standard input) or @FILE (the bytes of a file); one that is - itself, "
     "or\n"
     "begins with @, is typed in a session.\n",
     2, kAnyNumber, KeyPlace::kFirst, kCasOptions,
     "cas user:1 johndoe janedoe\n"
     "cas --absent --ttl 30s lock me\n"
     "cas --version 7 user:1 johndoe\n"},
    {Verb::kTtl, "ttl", "ttl <key>", "show when a key expires",
     "The time left is reckoned with the clock of this machine.\n", 1, 1, KeyPlace::kFirst, kNoOptions, "ttl lock\n"},
    {Verb::kTxn, "txn", "txn <text>", "read and write several keys in one step, under conditions",
     "Conditions: if KEY = VALUE, if KEY version N, if KEY exists, if KEY absent; all must hold. Commands: get, set, "
     "del,\n"
     "incr, append, expire. Clauses are separated by ; or by line ends. On the shell's command line the text is one "
     "word,\n"
     "@FILE or - (standard input); a text that begins with { is JSON (see the page of this client). Exit code 3: a\n"
     "condition did not hold and the else part was done.\n",
     1, kAnyNumber, KeyPlace::kNone, kNoOptions, "txn if seat absent; then set seat me; incr sold; else get seat\n"},
    {Verb::kExport, "export", "export [prefix]", "print every entry as a line of JSON, for import",
     "  export [prefix] [--resume <token>] > FILE\n"
     "All entries are of one revision. What was broken off goes on with the --resume that it prints, at a newer one.\n",
     0, kAnyNumber, KeyPlace::kNone, kExportOptions,
     "export\n"
     "export user:\n"},
    {Verb::kImport, "import", "import <file>", "set the entries of a file of JSON lines",
     "  import <file>|- [--offset <bytes>] [--state <file>] [--keep-going]\n"
     "One entry a line: {\"key\":\"user:1\",\"value\":\"...\",\"expire_time\":\"2030-01-31T08:00:00.250Z\"}, with "
     "key_base64\n"
     "and value_base64 for bytes that are no text, and no expire_time for what does not expire. What ends early says "
     "at\n"
     "which --offset to go on; --state keeps that in a file and goes on from there by itself. --keep-going passes "
     "over\n"
     "lines that are wrong or refused and counts them.\n",
     1, kAnyNumber, KeyPlace::kNone, kImportOptions,
     "import users.jsonl\n"
     "import users.jsonl --state users.place\n"},
    {Verb::kIncr, "incr", "incr <key> [delta]", "add to the number that a key holds",
     "  incr <key> [delta] [--initial <number>] [--min <number>] [--max <number>] [--saturate] [--ttl <duration>]\n"
     "The delta is 1 unless given, and may be negative. --initial is what a key that is not there counts from; beyond\n"
     "--min or --max nothing is done, or with --saturate no more than that.\n",
     1, kAnyNumber, KeyPlace::kFirst, kIncrOptions,
     "incr visits\n"
     "incr stock -1 --initial 10 --min 0\n"},
    {Verb::kAppend, "append", "append <key> <value>", "add bytes to the end of a value",
     "A key that is not there begins empty. Words that are not quoted are joined by one blank. On the shell's command\n"
     "line the value may be - (standard input) or @FILE (the bytes of a file); one that is - itself, or begins with @, "
     "is\n"
     "typed in a session.\n",
     2, kAnyNumber, KeyPlace::kFirst, kNoOptions, "append log:today \"one more line\\n\"\n"},
    {Verb::kExpire, "expire", "expire <key> <duration>|<moment>|never", "let a key expire, or stop it from expiring",
     "", 2, 2, KeyPlace::kFirst, kNoOptions,
     "expire session 30m\n"
     "expire offer 2030-01-31T08:00:00Z\n"
     "expire session never\n"},
    {Verb::kMget, "mget", "mget <key>...", "show the values of several keys", "", 1, kAnyNumber, KeyPlace::kAll,
     kNoOptions, "mget user:1 user:2\n"},
    {Verb::kScan, "scan", "scan [prefix]", "list keys, or entries, as they are at one moment",
     "  scan [prefix] [--glob <pattern>] [--values] [--limit <number>] [--relaxed]\n"
     "  scan --start <key> --end <key> ...\n"
     "In no order. All entries are of one revision; with --relaxed keys that change meanwhile are listed as they were "
     "or\n"
     "as they are, which costs the server less. What was broken off goes on with the --resume that it prints.\n",
     0, kAnyNumber, KeyPlace::kNone, kScanOptions,
     "scan user: --values\n"
     "scan --glob '*:name' --limit 10\n"},
    {Verb::kDelrange, "delrange", "delrange <prefix>", "delete every key that begins alike",
     "  delrange <prefix> [--dry-run] [--yes]\n"
     "  delrange --start <key> --end <key> ...\n"
     "  delrange --all ...\n"
     "Counts first and asks; --yes does not ask, --dry-run only counts.\n",
     0, kAnyNumber, KeyPlace::kNone, kDelrangeOptions,
     "delrange session: --dry-run\n"
     "delrange user: --yes\n"},
    {Verb::kStatus, "status", "status", "show what the server and its storage are doing",
     "Revisions: of the last write, handed to the kernel (os), on disk, in the newest snapshot.\n", 0, 0,
     KeyPlace::kNone, kNoOptions, "status\n"},
    {Verb::kStats, "stats", "stats [part of a name]", "show the figures of the server",
     "  stats [part of a name] [--watch [--every <duration>] [--rounds <number>]]\n"
     "Names and meanings are those of /metrics. --watch shows what has changed, every 2s unless told otherwise, and "
     "of\n"
     "what is counted how much that is in a second.\n",
     0, kAnyNumber, KeyPlace::kNone, kStatsOptions,
     "stats\n"
     "stats requests_total --watch --every 1s --rounds 2\n"},
    {Verb::kSlow, "slow", "slow", "list the calls that took long, the newest first",
     "  slow [--limit <number>] [--watch [--every <duration>] [--rounds <number>]]\n"
     "The server keeps the last 128 that took as long as its slow-threshold (config set slow-threshold=50ms). --watch\n"
     "shows new ones as they come.\n",
     0, kAnyNumber, KeyPlace::kNone, kListOptions, "slow --limit 5\n"},
    {Verb::kBig, "big", "big", "list the keys that take the most memory",
     "  big [--limit <number>] [--watch [--every <duration>] [--rounds <number>]]\n"
     "10 of them unless told otherwise. The server looks at every key for that: with many, give --timeout.\n",
     0, kAnyNumber, KeyPlace::kNone, kListOptions, "big --limit 3\n"},
    {Verb::kSnapshot, "snapshot", "snapshot [--no-wait]", "take a snapshot and wait until it counts",
     "What is larger than the timeout allows goes on after it: give --timeout, or --no-wait.\n", 0, 1, KeyPlace::kNone,
     kNoWait,
     "snapshot\n"
     "snapshot --no-wait\n"},
    {Verb::kSnapshots, "snapshots", "snapshots", "list the snapshots, oldest first", "", 0, 0, KeyPlace::kNone,
     kNoOptions, "snapshots\n"},
    {Verb::kRewriteLog, "rewrite-log", "rewrite-log [--no-wait]", "compact the log behind a new snapshot",
     "Whole files of the log that the snapshot covers go; the one that is being written stays.\n", 0, 1,
     KeyPlace::kNone, kNoWait, "rewrite-log\n"},
    {Verb::kHealth, "health", "health [service]", "ask the server whether it serves",
     "Services: kvstore.KeyValueStore, kvstore.v1.KeyValueService, kvstore.writes, kvstore.persistence. None means\n"
     "the server as a whole.\n",
     0, 1, KeyPlace::kNone, kNoOptions,
     "health\n"
     "health kvstore.writes\n"},
    {Verb::kHelp, "help", "help [command]", "show the commands, or one of them", "", 0, 1, KeyPlace::kNone, kNoOptions,
     "help scan\n"},
    {Verb::kCompletion, "completion", "completion bash|zsh|fish", "print a script that completes words in your shell",
     "  source <(kvstore_client completion bash)     in ~/.bashrc; the same with zsh in ~/.zshrc\n"
     "  kvstore_client completion fish | source      in config.fish\n",
     1, 1, KeyPlace::kNone, kNoOptions, "completion bash\n"},
    {Verb::kVersion, "version", "version", "show the version of this client", "", 0, 0, KeyPlace::kNone, kNoOptions,
     "version\n"},
};

}  // namespace

std::span<const CommandInfo> commands() { return kCommands; }

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

const CommandInfo* find_command(std::string_view word) {
  const std::string name = in_lower_case(word);
  const auto found = std::find_if(std::begin(kCommands), std::end(kCommands),
                                  [&](const CommandInfo& command) { return command.name == name; });
  return found == std::end(kCommands) ? nullptr : found;
}

std::string help_text() {
  std::string text = "Commands:\n";
  for (const CommandInfo& command : kCommands) text += fmt::format("  {:<11} {}\n", command.name, command.summary);
  text +=
      "Keys and values with blanks go in quotes: set \"my key\" 'two  blanks'. In double quotes and in bare words\n"
      "\\n \\r \\t \\xNN stand for bytes that cannot be typed, and \\\\ for a backslash.\n";
  return text;
}

std::string help_text(const CommandInfo& command) {
  std::string text =
      fmt::format("Usage: {}\n{}{}.\n{}", command.usage, static_cast<char>(command.summary.front() - 'a' + 'A'),
                  command.summary.substr(1), command.details);
  if (!command.examples.empty()) text += "Examples:\n";
  for (std::string_view rest = command.examples; !rest.empty(); rest.remove_prefix(rest.find('\n') + 1)) {
    text += fmt::format("  {}\n", rest.substr(0, rest.find('\n')));
  }
  return text;
}

}  // namespace kv
