// The words behind `kvstore_client` on the shell's command line, and the environment, as settings.
//
// Options stand before the command; everything from the command on belongs to it, so that a value may begin with
// a dash. The server is the one of --target, else KVSTORE_TARGET, else KVSTORE_SERVER_ADDR (the original's name), else
// the default. The spellings of grpc_health_probe are understood too: -addr=HOST:PORT asks for health.
//
// Threads: free function. Errors: INVALID_ARGUMENT; the message is the line to show.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/connection.h"
#include "client/cli/history.h"
#include "client/cli/printer.h"

namespace kv {

enum class ColorChoice { kAuto, kAlways, kNever };

struct CommandLine {
  std::string target;
  std::chrono::milliseconds timeout{5000};
  kvstore::v1::Durability level = kvstore::v1::DURABILITY_UNSPECIFIED;
  OutputFormat output = OutputFormat::kAutomatic;
  ColorChoice color = ColorChoice::kAuto;
  bool no_input = false;
  bool quiet = false;
  bool keep_going = false;
  std::vector<std::string> command;    // Empty: a session.
  std::optional<std::string> message;  // Print this and leave: --help.
};

// `arguments` without the program's name; `program` is that name.
absl::StatusOr<CommandLine> parse_command_line(const std::string& program, std::vector<std::string> arguments,
                                               const Environment& environment);

}  // namespace kv
