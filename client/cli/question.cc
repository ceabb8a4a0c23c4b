#include "client/cli/question.h"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "client/cli/commands.h"
#include "client/cli/input.h"

namespace kv {

bool ask_yes_no(std::string_view question) {
  std::fflush(stdout);
  fmt::print(stderr, "{}", question);
  std::fflush(stderr);
  LineReader lines(STDIN_FILENO);  // The terminal hands out one line at a time: nothing of the next is taken.
  const auto line = lines.next();
  if (!line.ok() || !*line) return false;
  const std::string answer = in_lower_case(**line);
  return answer == "y" || answer == "yes";
}

}  // namespace kv
