#include "client/cli/word_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "core/absl_text.h"

namespace kv {
namespace {

absl::Status refuse(std::string_view line) { return absl::InvalidArgumentError(to_absl(line)); }

}  // namespace

absl::StatusOr<SortedWords> sort_words(std::span<const std::string> arguments, std::span<const WordOption> known) {
  SortedWords sorted;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (word == "--") {
      sorted.words.insert(sorted.words.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
      break;
    }
    if (!word.starts_with("--")) {
      sorted.words.push_back(word);
      continue;
    }
    const std::size_t equals = word.find('=');
    const std::string name = word.substr(0, equals);
    const auto option =
        std::find_if(known.begin(), known.end(), [&](const WordOption& each) { return each.name == name; });
    if (option == known.end()) return refuse(fmt::format("unknown option {}", name));
    if (!option->has_value && equals != word.npos) return refuse(fmt::format("{} takes no value", name));
    if (option->has_value && equals == word.npos && i + 1 == arguments.size()) {
      return refuse(fmt::format("{} lacks its value", name));
    }
    std::string value = !option->has_value ? "" : equals != word.npos ? word.substr(equals + 1) : arguments[++i];
    if (!sorted.options.emplace(name, std::move(value)).second) return refuse(fmt::format("{} is given twice", name));
  }
  return sorted;
}

}  // namespace kv
