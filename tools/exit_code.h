// What kvstore_tool returns to the shell. The numbers are an interface (docs/tool.md): they do not change.
#pragma once

namespace kv::tools {

enum class ExitCode : int {
  kDone = 0,      // check: sound
  kFailed = 1,    // the disk, or something else that is not the data's fault
  kUsage = 2,     // the words of the command line, or a path that is not what the command needs
  kDoubtful = 3,  // import-original: done, and some lines were doubtful
  kRefused = 7,   // the directory is in use, what would be written is there already, or not enough room
  kDamage = 8,    // damage found; repair: something is lost
};

}  // namespace kv::tools
