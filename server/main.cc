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

}  // namespace

int main(int argc, char** argv) {
  try {
    auto line = kv::read_command_line(std::vector<std::string>(argv + 1, argv + argc), kv::process_environment());
    if (!line.ok()) {
      fmt::print(stderr, "kvstore_server: {}\n", kv::message_of(line.status()));
      return kv::kExitBadSettings;
    }
    return act(*std::move(line));
  } catch (const std::exception& unexpected) {
    fmt::print(stderr, "kvstore_server: {}\n", unexpected.what());
    return kv::kExitUnexpected;
  }
}
