// What the Tab key offers: commands, the modes and settings after `config`, the commands after `help`, and keys where a
// key stands.
//
// Threads: free function, as pure as `find_keys`.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace kv {

struct TabOffer {
  std::string insert;                   // To be put in at the cursor; with a blank when the word is complete.
  std::vector<std::string> candidates;  // When there are several and nothing can be put in: what they are.
};

// Keys that begin with the bytes; few, or none when there are too many or nobody can tell.
using FindKeys = std::function<std::vector<std::string>(const std::string& prefix)>;

TabOffer complete(std::string_view line_before_cursor, const FindKeys& find_keys = {});

}  // namespace kv
