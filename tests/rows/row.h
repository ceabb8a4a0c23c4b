// Rows of the API's promises, as they stand in tests/rows/*.rows: each is a story of calls and of the answers that must
// come. The same file is read by tests/foreign/v1_rows.py, so that a row is written once and told through the generated
// stubs of C++, through kv::Client and through the generated stubs of Python.
//
// row <name>
//   on <server>...            where it is true; none: on every server that tests/rows/servers.txt calls a mode
//   stubs only: <why>         kv::Client has no such call
//   client only: <why>        kv::Client does what a stub does not
//   <Method> <request> -> <answer>
//   soon <Method> ...         asked again until the answer comes
//   brief <Method> ...        by a caller who waits two seconds and no longer
//   begin <Method> <request>  sent, and its answer not waited for
//   raw <Method> "<bytes>" -> <answer>
//   fault <name>, heal <name> of tests/support/faults/disk_faults.cc
//   restart, restart killed   the server ends, in order or by SIGKILL, and is started on what it has left
//
// A step begins two blanks deep, deeper lines continue it. A method without a service is of kvstore.v1.KeyValueService;
// `admin.` and `old.` stand before those of the two others. Requests are protobuf's text format. An answer is OK, the
// whole response in text format, or a refusal: its code, its reason word (`-` for none) and facts, `name=value` or
// `name` alone for any value.
//
// In both: $1 is the first revision given in the row, $2 the second; $level what the server gives unasked, $x(N) N
// letters, $many(N: text) the text so often, $id and $other_id request ids, $token the last resume token, also of a
// scan that was refused on its way. In answers $any is any number but 0, $newer a revision above all that the row was
// shown,
// "$any" any bytes but none, `expire_time {}` any time, and size_bytes is not looked at where it is not named. The fact
// retry_after_ms must come twice, the second time as google.rpc.RetryInfo.
//
// Threads: free functions. Errors: std::runtime_error with file and line.
#pragma once

#include <string>
#include <vector>

namespace kv::rows {

struct Step {
  enum class Kind { kCall, kSoon, kBrief, kBegin, kRaw, kFault, kHeal, kRestart };

  int line = 0;
  Kind kind = Kind::kCall;
  std::string method = {};   // or the fault's name, or how the server ends
  std::string request = {};  // in text format; of kRaw the escaped bytes
  std::string answer = {};

  bool is_call() const { return kind != Kind::kFault && kind != Kind::kHeal && kind != Kind::kRestart; }
};

struct Row {
  std::string file;
  int line = 0;
  std::string name;
  std::vector<std::string> servers = {};
  std::string stubs_only = {};
  std::string client_only = {};
  std::vector<Step> steps = {};

  std::string place() const { return file + ":" + std::to_string(line) + ": " + name; }
};

// A server that rows name.
struct ServerKind {
  enum class Kind {
    kMode,   // the built server; rows that name no server are told on each of these
    kState,  // the same, started anew for each row
    kInner,  // tests/rows/inner/inner_server.cc, in a state that no flag and no call brings about
  };

  Kind kind = Kind::kMode;
  std::string name;
  std::string level;  // of a write that asks for none: MEMORY, OS or DISK
  std::vector<std::string> flags;
};

// Of all files, in the order of their names.
const std::vector<Row>& all_rows();
const std::vector<ServerKind>& all_servers();
const ServerKind& server_kind(const std::string& name);

// A refusal that an answer stands for; `code` is empty when the answer is none.
struct Refusal {
  std::string code;
  std::string reason;  // "" for none
  std::vector<std::string> facts;
};
Refusal refusal_in(const std::string& answer);

}  // namespace kv::rows
