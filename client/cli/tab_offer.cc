#include "client/cli/tab_offer.h"

#include <algorithm>

#include "client/cli/admin_settings.h"
#include "client/cli/commands.h"
#include "client/cli/config_arguments.h"
#include "client/cli/shell_completion.h"
#include "client/cli/text.h"

namespace kv {
namespace {

constexpr std::string_view kBlanks = " \t";

std::vector<std::string> names_of_commands() {
  std::vector<std::string> names;
  for (const CommandInfo& command : commands()) names.emplace_back(command.name);
  return names;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  for (std::size_t begin = line.find_first_not_of(kBlanks); begin != line.npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    words.push_back(in_lower_case(line.substr(begin, end - begin)));
    begin = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

void add_options(const CommandInfo& command, std::vector<std::string>& names) {
  for (const WordOption& option : command.options) names.emplace_back(option.name);
}

// After `config get` and `config set`: as many settings as one likes.
std::vector<std::string> choices_of_settings(const std::string& verb) {
  if (verb != "get" && verb != "set") return {};
  std::vector<std::string> names;
  for (const std::string_view name : setting_names()) names.push_back(std::string(name) + (verb == "set" ? "=" : ""));
  if (verb == "set") add_options(*find_command("config"), names);
  return names;
}

// The words that may stand where the cursor is.
std::vector<std::string> choices(std::string_view before_word, std::string_view typed) {
  const std::vector<std::string> before = words_of(before_word);
  if (before.empty()) return names_of_commands();
  const CommandInfo* command = find_command(before.front());
  if (command == nullptr) return {};
  if (command->verb == Verb::kConfig && before.size() > 1) return choices_of_settings(before[1]);
  if (typed.starts_with('-') && command->verb != Verb::kConfig) {
    std::vector<std::string> names;
    add_options(*command, names);
    return names;
  }
  if (before.size() > 1) return {};
  switch (command->verb) {
    case Verb::kHelp:
      return names_of_commands();
    case Verb::kCompletion:
      return {std::begin(kShells), std::end(kShells)};
    case Verb::kConfig: {
      std::vector<std::string> words(std::begin(kModeWords), std::end(kModeWords));
      words.insert(words.end(), {"get", "set"});
      return words;
    }
    default:
      return {};
  }
}

// In the letters of the first one: SNAPSHOT and set begin alike.
std::string common_start(const std::vector<std::string>& words) {
  std::string common = words.front();
  for (const std::string& word : words) {
    const auto differs = std::mismatch(common.begin(), common.end(), word.begin(), word.end(), [](char a, char b) {
                           return in_lower_case({&a, 1}) == in_lower_case({&b, 1});
                         }).first;
    common.erase(differs, common.end());
  }
  return common;
}

bool stands_for_key(std::string_view before_word) {
  const std::vector<std::string> before = words_of(before_word);
  const CommandInfo* command = before.empty() ? nullptr : find_command(before.front());
  if (command == nullptr) return false;
  return command->keys == KeyPlace::kAll || (command->keys == KeyPlace::kFirst && before.size() == 1);
}

// A key that must be quoted can only be shown: what was typed of it stands there without its quote.
TabOffer offer_keys(std::string_view typed, const FindKeys& find_keys) {
  if (typed.find_first_of("\"'\\") != typed.npos) return {};
  const std::vector<std::string> keys = find_keys(std::string(typed));
  if (keys.empty()) return {};
  std::string common = keys.front();
  bool plain = true;
  TabOffer offer;
  for (const std::string& key : keys) {
    common.erase(std::mismatch(common.begin(), common.end(), key.begin(), key.end()).first, common.end());
    offer.candidates.push_back(kv::quoted(key));
    plain = plain && offer.candidates.back() == key;
  }
  while (!is_printable(common)) common.pop_back();  // Keys may part within a character.
  if (plain && common.size() > typed.size()) offer.insert = common.substr(typed.size());
  if (plain && keys.size() == 1) offer.insert += ' ';
  if (!offer.insert.empty()) offer.candidates.clear();
  return offer;
}

}  // namespace

TabOffer complete(std::string_view line, const FindKeys& find_keys) {
  const std::size_t blank = line.find_last_of(" \t");
  const std::size_t start = blank == line.npos ? 0 : blank + 1;
  const std::string typed = in_lower_case(line.substr(start));
  const bool in_capitals = typed.empty() || typed != line.substr(start);
  std::vector<std::string> matching = choices(line.substr(0, start), typed);
  std::erase_if(matching, [&](const std::string& word) { return !in_lower_case(word).starts_with(typed); });
  if (matching.empty() && find_keys && stands_for_key(line.substr(0, start))) {
    return offer_keys(line.substr(start), find_keys);
  }
  if (matching.empty()) return {};
  const std::string common = common_start(matching);
  TabOffer offer{common.substr(typed.size()), {}};
  if (!in_capitals) offer.insert = in_lower_case(offer.insert);  // As the person began it.
  if (matching.size() == 1) {
    if (!common.ends_with('=')) offer.insert += ' ';  // A value follows without one.
  } else if (offer.insert.empty()) {
    offer.candidates = std::move(matching);
  }
  return offer;
}

}  // namespace kv
