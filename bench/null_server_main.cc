// kvstore_null_server: the reactor and the services without a store. Ends on SIGINT or SIGTERM.
#include <csignal>
#include <cstdlib>
#include <iostream>

#include <CLI/CLI.hpp>

#include "bench/null_log.h"
#include "bench/null_service.h"
#include "core/absl_text.h"
#include "rpc/server.h"

int main(int argc, char** argv) {
  kv::RpcServerOptions options;
  CLI::App app(
      "Answers Get and Pipeline with fixed values and Set with nothing: what a call costs before any work is done.");
  app.add_option("--listen", options.listen, "HOST:PORT or unix:PATH")->capture_default_str();
  app.add_option("--completion-queues", options.queues, "0: from the core count")->capture_default_str();
  app.add_option("--threads-per-queue", options.threads_per_queue, "pollers of each queue")->capture_default_str();
  app.add_option("--posted-calls", options.bounds.posted_calls_per_method, "of each method and queue")
      ->capture_default_str();
  std::string log_path;
  app.add_option("--log", log_path, "a file that it makes: Set is answered when some bytes in it are on the disk");
  CLI11_PARSE(app, argc, argv);

  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // before any thread is made, so that all inherit it

  absl::StatusOr<std::unique_ptr<kv::NullLog>> log(nullptr);
  if (!log_path.empty()) log = kv::NullLog::create(kv::posix_file_system(), log_path);
  if (!log.ok()) {
    std::cerr << "kvstore_null_server: " << kv::message_of(log.status()) << '\n';
    return EXIT_FAILURE;
  }
  kv::NullService old_service;
  kv::NullKeyValueService service(log->get());
  kv::RpcServer server(options, {&old_service, &service});
  if (const absl::Status started = server.start(); !started.ok()) {
    std::cerr << "kvstore_null_server: " << kv::message_of(started) << '\n';
    return EXIT_FAILURE;
  }
  for (const std::string& address : server.addresses()) std::cout << "serving on " << address << std::endl;
  int signal = 0;
  sigwait(&signals, &signal);
  return EXIT_SUCCESS;
}
