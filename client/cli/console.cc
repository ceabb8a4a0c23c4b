#include "client/cli/console.h"

namespace kv {
namespace {

constexpr std::string_view kRed = "\033[31m";
constexpr std::string_view kPlain = "\033[0m";

void write(std::FILE* file, std::string_view bytes) { std::fwrite(bytes.data(), 1, bytes.size(), file); }

}  // namespace

void Console::out(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), out_) != bytes.size()) failed_ = true;
}

void Console::error(std::string_view line) {
  if (!kind_.color) return note(line);
  flush();
  write(error_, kRed);
  write(error_, line);
  write(error_, kPlain);
  write(error_, "\n");
  std::fflush(error_);
}

void Console::note(std::string_view line) {
  flush();
  write(error_, line);
  write(error_, "\n");
  std::fflush(error_);
}

bool Console::flush() {
  if (std::fflush(out_) != 0) failed_ = true;
  return !failed_;
}

}  // namespace kv
