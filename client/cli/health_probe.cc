#include "client/cli/health_probe.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

namespace kv {
namespace {

struct Translation {
  std::string_view theirs;
  std::string_view ours;  // Empty: the value is the argument of `health`.
};

constexpr Translation kTranslations[] = {
    {"addr", "--target"}, {"connect-timeout", "--timeout"}, {"rpc-timeout", "--timeout"}, {"service", ""}};

const Translation* translation_of(std::string_view name) {
  const auto found = std::find_if(std::begin(kTranslations), std::end(kTranslations),
                                  [&](const Translation& translation) { return translation.theirs == name; });
  return found == std::end(kTranslations) ? nullptr : found;
}

struct Flag {
  std::string name;  // Without dashes.
  std::optional<std::string> value;
};

std::optional<Flag> flag_of(std::string_view word) {
  if (!word.starts_with('-')) return std::nullopt;
  word.remove_prefix(word.starts_with("--") ? 2 : 1);
  const std::size_t equals = word.find('=');
  if (equals == word.npos) return Flag{std::string(word), std::nullopt};
  return Flag{std::string(word.substr(0, equals)), std::string(word.substr(equals + 1))};
}

bool is_probe(std::string_view program, const std::vector<std::string>& arguments) {
  const std::size_t slash = program.rfind('/');
  if (program.substr(slash == program.npos ? 0 : slash + 1) == "grpc_health_probe") return true;
  const auto flag = arguments.empty() ? std::nullopt : flag_of(arguments.front());
  return flag && flag->name == "addr";
}

}  // namespace

std::vector<std::string> translate_health_probe(const std::string& program, std::vector<std::string> arguments) {
  if (!is_probe(program, arguments)) return arguments;
  std::vector<std::string> options;
  std::vector<std::string> command = {"health"};
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto flag = flag_of(arguments[i]);
    const Translation* known = flag ? translation_of(flag->name) : nullptr;
    if (known == nullptr) {
      if (!(arguments[i] == "health" && command.size() == 1)) options.push_back(arguments[i]);
      continue;
    }
    if (!flag->value && i + 1 < arguments.size()) flag->value = arguments[++i];
    std::string value = flag->value.value_or("");
    if (flag->name == "addr" && value.starts_with(':')) value.insert(0, "127.0.0.1");
    if (known->ours.empty()) {
      command.push_back(value);
    } else {
      options.push_back(std::string(known->ours) + '=' + value);
    }
  }
  options.insert(options.end(), command.begin(), command.end());
  return options;
}

}  // namespace kv
