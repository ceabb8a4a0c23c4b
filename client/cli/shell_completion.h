// The scripts that teach a shell to complete our words: options, commands, modes, settings, formats.
//
// Made from the same tables as help and dispatch, so that what can be typed can be completed. They ask no server.
//
// Threads: pure function.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kv {

inline constexpr std::string_view kShells[] = {"bash", "zsh", "fish"};

// Absent: a shell we do not know.
std::optional<std::string> shell_completion(std::string_view shell);

}  // namespace kv
