// A place to type commands at: the runner and the lines of the command line on real streams, against some server.
// Threads: that of the test; `interrupted` from any.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "client/cli/connection.h"
#include "client/cli/line.h"
#include "client/cli/runner.h"
#include "client/cli/session.h"

namespace kv {

// A stdio file whose bytes can be read back.
class Page {
 public:
  Page() : file_(std::tmpfile()) {}
  ~Page() { std::fclose(file_); }
  std::FILE* file() { return file_; }

  // What was written since the last look.
  std::string look() {
    std::fflush(file_);
    std::string bytes(static_cast<std::size_t>(std::ftell(file_)), '\0');
    std::rewind(file_);
    bytes.resize(std::fread(bytes.data(), 1, bytes.size(), file_));
    std::rewind(file_);
    return bytes;
  }

 private:
  std::FILE* file_;
};

struct Use {
  OutputFormat format = OutputFormat::kAutomatic;
  bool terminal = true;
  bool one_shot = false;
  bool quiet = false;
  kvstore::v1::Durability level = kvstore::v1::DURABILITY_UNSPECIFIED;
  std::chrono::milliseconds timeout = std::chrono::seconds(5);
};

class Desk {
 public:
  explicit Desk(std::string target, Use use = {})
      : console_(out_.file(), error_.file(), {use.terminal, false}),
        printer_(make_printer(console_, {use.format, use.quiet, !use.one_shot})),
        connection_({std::move(target), use.timeout, use.level, [this] { return interrupted.load(); }}),
        one_shot_(use.one_shot),
        runner_(connection_, *printer_, use.one_shot, nullptr, [this](std::string_view question) {
          asked = question;
          return person_says;
        }) {}

  // Types the line; what it printed is in out and error afterwards.
  ExitCode type(std::string_view line) {
    return take(runner_.run(one_shot_ ? *line_words(line) : *session_words(line)));
  }

  ExitCode pipe(std::string_view lines, bool keep_going = false) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::write(ends[1], lines.data(), lines.size()) == static_cast<ssize_t>(lines.size()));
    ::close(ends[1]);
    LineReader reader(ends[0]);
    const ExitCode code = take(run_lines(reader, runner_, *printer_, console_, keep_going));
    ::close(ends[0]);
    return code;
  }

  Connection& connection() { return connection_; }

  std::string out, error;
  std::string asked;                // The last question.
  std::optional<bool> person_says;  // To every question; absent: nobody is there.
  std::atomic<bool> interrupted{false};

 private:
  ExitCode take(ExitCode code) {
    out = out_.look();
    error = error_.look();
    return code;
  }

  Page out_, error_;
  Console console_;
  std::unique_ptr<Printer> printer_;
  Connection connection_;
  const bool one_shot_;
  Runner runner_;
};

}  // namespace kv
