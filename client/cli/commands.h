// The commands of the command line: one row each, from which dispatch, usage lines, help and completion are made.
//
// The wording of the usage lines of set, get, del and config, and the list of kOriginalCommands, are those of the
// original client; scripts and people know them.
//
// Threads: constant data and pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "client/cli/word_options.h"

namespace kv {

inline constexpr std::string_view kOriginalCommands = "set, get, del, keys, config, exit";
inline constexpr std::size_t kAnyNumber = static_cast<std::size_t>(-1);

enum class Verb {
  kSet,
  kGet,
  kDel,
  kKeys,
  kConfig,
  kExit,
  kCas,
  kTtl,
  kMget,
  kScan,
  kDelrange,
  kTxn,
  kImport,
  kExport,
  kExpire,
  kIncr,
  kAppend,
  kStatus,
  kStats,
  kSlow,
  kBig,
  kSnapshot,
  kSnapshots,
  kRewriteLog,
  kHealth,
  kHelp,
  kCompletion,
  kVersion,
};

// Which words behind a command are keys.
enum class KeyPlace { kNone, kFirst, kAll };

struct CommandInfo {
  Verb verb;
  std::string_view name;
  std::string_view usage;    // After "Usage: ".
  std::string_view summary;  // One line of `help`.
  std::string_view details;  // The rest of `help NAME`; may be empty.
  std::size_t arguments_min;
  std::size_t arguments_max;
  KeyPlace keys = KeyPlace::kNone;
  std::span<const WordOption> options = {};
  std::string_view examples = {};  // Lines of a session. Run in the order of the table, none is refused.
};

std::span<const CommandInfo> commands();

// The command of that name in any case, or null.
const CommandInfo* find_command(std::string_view word);

std::string help_text();
std::string help_text(const CommandInfo& command);

std::string in_lower_case(std::string_view text);  // ASCII only.

}  // namespace kv
