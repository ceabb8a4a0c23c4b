// What the Tab key offers: commands, the modes and settings after `config`, the commands after `help`.
//
// Threads: pure function.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kv {

struct TabOffer {
  std::string insert;                   // To be put in at the cursor; with a blank when the word is complete.
  std::vector<std::string> candidates;  // When there are several and nothing can be put in: what they are.
};

TabOffer complete(std::string_view line_before_cursor);

}  // namespace kv
