#include "client/completion.h"

#include <algorithm>

#include "client/commands.h"
#include "client/config_arguments.h"

namespace kv {
namespace {

std::vector<std::string> names_of_commands() {
  std::vector<std::string> names;
  for (const CommandInfo& command : commands()) names.emplace_back(command.name);
  return names;
}

// The words that may stand where the cursor is.
std::vector<std::string> choices(std::string_view before_word) {
  const std::size_t first = before_word.find_first_not_of(" \t");
  if (first == before_word.npos) return names_of_commands();
  const std::string_view rest = before_word.substr(first);
  const std::size_t end = rest.find_first_of(" \t");
  if (rest.find_first_not_of(" \t", end) != rest.npos) return {};  // Not the second word.
  const CommandInfo* command = find_command(rest.substr(0, end));
  if (command == nullptr) return {};
  if (command->verb == Verb::kHelp) return names_of_commands();
  if (command->verb != Verb::kConfig) return {};
  return {std::begin(kModeWords), std::end(kModeWords)};
}

std::string common_start(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    const auto [differs, ignored] = std::mismatch(common.begin(), common.end(), word.begin(), word.end());
    common.erase(differs, common.end());
  }
  return common;
}

}  // namespace

Completion complete(std::string_view line) {
  const std::size_t blank = line.find_last_of(" \t");
  const std::size_t start = blank == line.npos ? 0 : blank + 1;
  const std::string typed = in_lower_case(line.substr(start));
  const bool in_capitals = typed.empty() || typed != line.substr(start);
  std::vector<std::string> matching = choices(line.substr(0, start));
  std::erase_if(matching, [&](const std::string& word) { return !in_lower_case(word).starts_with(typed); });
  if (matching.empty()) return {};
  const std::string common = common_start(matching);
  Completion completion{common.substr(typed.size()), {}};
  if (!in_capitals) completion.insert = in_lower_case(completion.insert);  // As the person began it.
  if (matching.size() == 1) {
    completion.insert += ' ';
  } else if (completion.insert.empty()) {
    completion.candidates = std::move(matching);
  }
  return completion;
}

}  // namespace kv
