// kvstore_server: reads the settings, then runs, checks or prints.
#include <cstdio>
#include <exception>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "server/application.h"
#include "server/log.h"
#include "server/options.h"
#include "server/version.h"

namespace {

int act(kv::CommandLine line) {
  switch (line.action) {
    case kv::Action::kHelp:
      fmt::print("{}", kv::help_text());
      return kv::kExitClean;
    case kv::Action::kVersion:
      fmt::print("kvstore_server {}\n", kv::kVersion);
      return kv::kExitClean;
    case kv::Action::kCheckConfig:
      fmt::print("the settings are good\n");
      return kv::kExitClean;
    case kv::Action::kPrintConfig:
      fmt::print("{}", kv::config_text(line.settings));
      return kv::kExitClean;
    case kv::Action::kRecoverOnly:
    case kv::Action::kServe:
      break;
  }
  kv::configure_log(line.options.log_level, line.options.log_format);
  const bool only_recover = line.action == kv::Action::kRecoverOnly;
  kv::Application application(std::move(line));
  return only_recover ? application.recover_only() : application.run();
}

// Said before there are settings for a log, or after all else has failed; what comes from outside is escaped here too.
int refuse(std::string_view why, const std::vector<std::string>& arguments, kv::ExitCode code) {
  if (kv::refusal_format(arguments, kv::process_environment()) == "json") {
    kv::configure_log("error", "json");
    kv::log_line(kv::Severity::kError, why);
  } else {
    fmt::print(stderr, "kvstore_server: {}\n", kv::escaped(why, false));
  }
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    auto line = kv::read_command_line(arguments, kv::process_environment());
    if (!line.ok()) return refuse(kv::message_of(line.status()), arguments, kv::kExitBadSettings);
    return act(*std::move(line));
  } catch (const std::exception& unexpected) {
    return refuse(unexpected.what(), arguments, kv::kExitUnexpected);
  }
}
