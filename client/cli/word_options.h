// The words behind a command that takes options: which are options, which are not.
//
// An option is a word that begins with two dashes; its value is the next word, or follows a `=`. After a word that is
// just two dashes nothing is an option any more, so that every key and value can be given.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace kv {

struct WordOption {
  std::string_view name;  // With its dashes.
  bool has_value = false;
};

struct SortedWords {
  std::vector<std::string> words;
  std::map<std::string, std::string, std::less<>> options;

  bool has(std::string_view name) const { return options.find(name) != options.end(); }
  std::optional<std::string> value(std::string_view name) const {
    const auto found = options.find(name);
    return found == options.end() ? std::nullopt : std::optional(found->second);
  }
};

absl::StatusOr<SortedWords> sort_words(std::span<const std::string> arguments, std::span<const WordOption> known);

}  // namespace kv
