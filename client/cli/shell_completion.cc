#include "client/cli/shell_completion.h"

#include <vector>

#include <fmt/format.h>

#include "client/cli/admin_settings.h"
#include "client/cli/commands.h"
#include "client/cli/config_arguments.h"

namespace kv {
namespace {

struct OptionWords {
  std::string_view name;
  std::string_view values;  // The words it takes; empty: a value of one's own, or none.
  std::string_view summary;
  bool takes_value = true;
};

constexpr OptionWords kOptions[] = {
    {"--target", "", "server, HOST:PORT"},
    {"--timeout", "", "of one call"},
    {"--output", "human table json raw", "form of the answers"},
    {"--durability", "memory os disk", "of writes"},
    {"--color", "auto always never", "of errors"},
    {"--no-input", "", "never ask", false},
    {"--quiet", "", "no word about what went well", false},
    {"--keep-going", "", "go on after a line that failed", false},
    {"--help", "", "show the options and commands", false},
    {"--version", "", "show the version", false},
};

template <class Words>
std::string joined(const Words& words) {
  std::string text;
  for (const auto& word : words) text += fmt::format("{}{}", text.empty() ? "" : " ", word);
  return text;
}

std::string command_names() {
  std::vector<std::string_view> names;
  for (const CommandInfo& command : commands()) names.push_back(command.name);
  return joined(names);
}

std::string option_names() {
  std::vector<std::string_view> names;
  for (const OptionWords& option : kOptions) names.push_back(option.name);
  return joined(names);
}

// The lines of a `case` of bash and zsh: what may follow an option.
std::string cases_of_options() {
  std::string text;
  for (const OptionWords& option : kOptions) {
    if (option.takes_value) text += fmt::format("    {}) words=\"{}\"; return ;;\n", option.name, option.values);
  }
  return text;
}

// One function for both: zsh runs bash's completions.
constexpr std::string_view kBash = R"(# Completion of kvstore_client; {}
_kvstore_client_words() {{
  local previous="${{COMP_WORDS[COMP_CWORD-1]}}" command="" i
  case "$previous" in
{}  esac
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "${{COMP_WORDS[i]}}" in
      {}) ((++i)) ;;
      -*) ;;
      *) command="${{COMP_WORDS[i]}}"; break ;;
    esac
  done
  if [ -z "$command" ]; then words="{} {}"; return; fi
  case "$command" in
    help) words="{}" ;;
    completion) words="{}" ;;
    snapshot | rewrite-log) words="--no-wait" ;;
    stats) words="--watch --every --rounds" ;;
    slow | big) words="--limit --watch --every --rounds" ;;
    config)
      if ((i + 1 == COMP_CWORD)); then words="{} get set"; fi
      case "${{COMP_WORDS[i+1]}}" in
        get | set) if ((i + 1 < COMP_CWORD)); then words="{}"; fi ;;
      esac ;;
  esac
}}
_kvstore_client() {{
  local words=""
  _kvstore_client_words
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
complete -o default -F _kvstore_client kvstore_client
)";

std::string options_with_values() {
  std::string text;
  for (const OptionWords& option : kOptions) {
    if (option.takes_value) text += fmt::format("{}{}", text.empty() ? "" : " | ", option.name);
  }
  return text;
}

std::string bash(std::string_view how) {
  return fmt::format(fmt::runtime(kBash), how, cases_of_options(), options_with_values(), command_names(),
                     option_names(), command_names(), joined(kShells), joined(kModeWords), joined(setting_names()));
}

std::string zsh() {
  std::string script = "autoload -U +X bashcompinit && bashcompinit\n";
  script += bash("source <(kvstore_client completion zsh)");
  // zsh has no mapfile.
  const std::string_view with = "mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")";
  const std::string_view without = "COMPREPLY=(${(f)\"$(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\"})";
  script.replace(script.find(with), with.size(), without);
  return script;
}

std::string fish() {
  std::string script = "# Completion of kvstore_client; kvstore_client completion fish | source\n";
  script += "complete -c kvstore_client -f\n";
  for (const OptionWords& option : kOptions) {
    const std::string values = option.values.empty() ? "" : fmt::format(" -a '{}'", option.values);
    script += fmt::format("complete -c kvstore_client -l {}{}{} -d '{}'\n", option.name.substr(2),
                          option.takes_value ? " -r" : "", values, option.summary);
  }
  for (const CommandInfo& command : commands()) {
    script += fmt::format("complete -c kvstore_client -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                          command.summary);
  }
  const auto after = [&](std::string_view command, const std::string& words) {
    script += fmt::format("complete -c kvstore_client -n '__fish_seen_subcommand_from {}' -a '{}'\n", command, words);
  };
  after("help", command_names());
  after("completion", joined(kShells));
  after("snapshot rewrite-log", "--no-wait");
  after("stats", "--watch --every --rounds");
  after("slow big", "--limit --watch --every --rounds");
  after("config", joined(kModeWords) + " get set " + joined(setting_names()));
  return script;
}

}  // namespace

std::optional<std::string> shell_completion(std::string_view shell) {
  if (shell == "bash") return bash("source <(kvstore_client completion bash)");
  if (shell == "zsh") return zsh();
  if (shell == "fish") return fish();
  return std::nullopt;
}

}  // namespace kv
