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

std::string joined_options(const CommandInfo& command) {
  std::vector<std::string_view> names;
  for (const WordOption& option : command.options) names.push_back(option.name);
  return joined(names);
}

// The lines of a `case` of the command: its options, and which of them the next word belongs to.
std::string cases_of_commands() {
  std::string text;
  for (const CommandInfo& command : commands()) {
    if (command.options.empty()) continue;
    std::string with_value;
    for (const WordOption& option : command.options) {
      if (option.has_value) with_value += fmt::format("{}{}", with_value.empty() ? "" : " | ", option.name);
    }
    const std::string value =
        with_value.empty() ? "" : fmt::format("case \"$previous\" in {}) words=\"\"; return ;; esac; ", with_value);
    text += fmt::format("    {}) {}options=\"{}\" ;;\n", command.name, value, joined_options(command));
  }
  return text;
}

// One function for both: zsh runs bash's completions. Where files may stand, options are offered to who begins with a
// dash only: the shell names the files when we have no word.
constexpr std::string_view kBash = R"(# Completion of kvstore_client; {0}
_kvstore_client_words() {{
  local previous="${{COMP_WORDS[COMP_CWORD-1]}}" current="${{COMP_WORDS[COMP_CWORD]}}" command="" options="" i
  case "$previous" in
{1}  esac
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "${{COMP_WORDS[i]}}" in
      {2}) ((++i)) ;;
      -*) ;;
      *) command="${{COMP_WORDS[i]}}"; break ;;
    esac
  done
  if [ -z "$command" ]; then words="{3} {4}"; return; fi
  case "$command" in
{5}  esac
  case "$command" in
    help) words="{3}" ;;
    completion) words="{6}" ;;
    config)
      if ((i + 1 == COMP_CWORD)); then words="{7} get set"; return; fi
      case "${{COMP_WORDS[i+1]}}" in
        get) words="{8}" ;;
        set) words="{8} $options" ;;
      esac ;;
    import) case "$current" in -*) words="$options" ;; esac ;;
    set | append | cas | txn) files_at=yes; words="$options" ;;
    *) words="$options" ;;
  esac
}}
_kvstore_client() {{
  local words="" files_at="" at="@"
  _kvstore_client_words
  if [[ "$files_at" == yes && "${{COMP_WORDS[COMP_CWORD]}}" == @* ]]; then
    # Where the shell takes the @ for the end of a word, what it puts in stands behind it.
    if [[ "$COMP_WORDBREAKS" == *@* ]]; then at=""; fi
    {9}compgen -P "$at" -f -- "${{COMP_WORDS[COMP_CWORD]#@}}"{10}
    return
  fi
  {9}compgen -W "$words" -- "${{COMP_WORDS[COMP_CWORD]}}"{10}
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

// `begin` and `end` stand around a command whose lines become the answer.
std::string bash(std::string_view how, std::string_view begin, std::string_view end) {
  return fmt::format(fmt::runtime(kBash), how, cases_of_options(), options_with_values(), command_names(),
                     option_names(), cases_of_commands(), joined(kShells), joined(kModeWords), joined(setting_names()),
                     begin, end);
}

// zsh has no mapfile.
std::string zsh() {
  return "autoload -U +X bashcompinit && bashcompinit\n" +
         bash("source <(kvstore_client completion zsh)", "COMPREPLY=(${(f)\"$(", ")\"})");
}

// Of the commands with options of their own; and where file names stand, which -f has switched off.
std::string fish_options() {
  std::string text;
  for (const CommandInfo& command : commands()) {
    for (const WordOption& option : command.options) {
      const std::string_view value = option.name == "--state" ? " -r -F" : option.has_value ? " -x" : "";
      text += fmt::format("complete -c kvstore_client -n '__fish_seen_subcommand_from {}' -l {}{}\n", command.name,
                          option.name.substr(2), value);
    }
  }
  text +=
      "complete -c kvstore_client -n '__fish_seen_subcommand_from import' -F\n"
      "function __kvstore_client_files\n"
      "  string match -q -- '@*' (commandline -ct); or return\n"
      "  __fish_complete_path (string sub -s 2 -- (commandline -ct)) | string replace -r '^' '@'\n"
      "end\n"
      "complete -c kvstore_client -n '__fish_seen_subcommand_from set append cas txn' -a '(__kvstore_client_files)'\n";
  return text;
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
  after("config", joined(kModeWords) + " get set " + joined(setting_names()));
  return script + fish_options();
}

}  // namespace

std::optional<std::string> shell_completion(std::string_view shell) {
  if (shell == "bash") return bash("source <(kvstore_client completion bash)", "mapfile -t COMPREPLY < <(", ")");
  if (shell == "zsh") return zsh();
  if (shell == "fish") return fish();
  return std::nullopt;
}

}  // namespace kv
