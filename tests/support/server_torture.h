// What the torture programs that start the real server share: which server, in which mode and policy, and where its
// data lies; and a loop that runs to its end or to what it finds.
//
// Threads: one.
#pragma once

#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/support/torture.h"

namespace kv {

struct ServerTortureOptions : TortureOptions {
  std::string server;  // empty: the one of this build
  std::string mode = "hybrid";
  std::string fsync = "always";
  std::string work_directory = KV_CRASH_DIRECTORY;

  void add_to(CLI::App& app, const std::string& what_a_cycle_is, const std::vector<std::string>& modes) {
    app.add_option("--server", server, "the server's binary (default: the one of this build)");
    app.add_option("--mode", mode, "what it runs in")->capture_default_str()->check(CLI::IsMember(modes));
    app.add_option("--fsync", fsync, "its policy, where there is a log")
        ->capture_default_str()
        ->check(CLI::IsMember({"always", "interval", "never"}));
    app.add_option("--work-directory", work_directory, "where its data lies")->capture_default_str();
    TortureOptions::add_to(app, what_a_cycle_is);
  }
  // For RunningServer, which asks the environment.
  void use_server() const {
    if (!server.empty()) ::setenv("KVSTORE_SERVER", server.c_str(), 1);
  }
  // Of the row in the table.
  std::string variant() const { return mode == "non_persistent" || mode == "snapshot" ? mode : mode + " " + fsync; }
};

// `kept` says where the data of a run that found something is.
inline bool runs_to_its_end(std::uint64_t seed, const std::function<void()>& run,
                            const std::function<std::string()>& kept) {
  try {
    run();
    return true;
  } catch (const std::exception& failure) {
    std::cout << fmt::format("FAILED (seed {}): {}\n{}\n", seed, failure.what(), kept());
    return false;
  }
}

}  // namespace kv
