#include "server/application.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"
#include "rpc/incident.h"
#include "server/descriptor_limit.h"
#include "server/library_logs.h"
#include "server/log.h"
#include "server/start_report.h"
#include "server/version.h"

namespace kv {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kHealthPeriod{200};
constexpr milliseconds kEndPatience{2000};
constexpr milliseconds kLibraryPatience{300};
constexpr std::array kServedNames = {"", "kvstore.KeyValueStore", "kvstore.v1.KeyValueService"};
constexpr std::array kPromiseNames = {"kvstore.writes", "kvstore.persistence"};

// Beside the three quarters of the memory that the data may have by default: half of what is left.
std::size_t automatic_bytes_in_flight(std::uint64_t automatic_data_bytes) {
  constexpr std::uint64_t kLeast = 16 << 20;
  constexpr std::uint64_t kMiB = 1 << 20;  // whole ones, for whoever reads it
  return static_cast<std::size_t>(std::max(automatic_data_bytes / 6 / kMiB * kMiB, kLeast));
}

RpcServerOptions rpc_options(const Options& options, std::size_t connections_max, std::uint64_t automatic_data_bytes,
                             SlowLog& slow_log) {
  RpcServerOptions result;
  result.listen = options.listen;
  result.queues = static_cast<unsigned>(options.completion_queues);
  result.threads_per_queue = static_cast<unsigned>(options.threads_per_queue);
  result.message_bytes_max = options.message_bytes_max;
  result.connections_max = connections_max;
  result.streams_per_connection_max = static_cast<int>(options.streams_max);
  result.bytes_in_flight_max =
      options.bytes_in_flight_max != 0 ? options.bytes_in_flight_max : automatic_bytes_in_flight(automatic_data_bytes);
  result.default_deadline = options.default_deadline;
  result.connection_age_max = options.connection_age_max;
  result.reflection = options.reflection;
  result.slow_calls = &slow_log;
  return result;
}

bool is_loopback(std::string_view address) {
  return address.starts_with("unix:") || address.starts_with("127.") || address.starts_with("localhost:") ||
         address.starts_with("[::1]:");
}

void log_from_storage(int severity, const std::string& text) {
  log_line(severity >= 2 ? Severity::kError : severity == 1 ? Severity::kWarning : Severity::kInfo, text);
}

// Storage puts the process's exit code into its error.
int exit_code_of(const absl::Status& failed) {
  const auto facts = facts_of(failed);
  const auto code = facts.find("exit");
  if (code == facts.end()) return kExitUnexpected;
  const auto number = parse_number(code->second);
  return number.ok() ? static_cast<int>(*number) : kExitUnexpected;
}

}  // namespace

Application::Application(CommandLine line)
    : line_(std::move(line)),
      options_(line_.options),
      store_({.shard_count = options_.shards, .requests = options_.requests}),
      engine_(store_, clock_, options_.limits, progress_),
      memory_watch_(engine_.memory(), [this] { return bytes_beside_data(); }),
      events_(std::make_unique<EventThread>()),
      legacy_(engine_, *events_, options_.legacy_config),
      key_values_(engine_),
      admin_(engine_, fixed_config_of(line_, memory_watch_.automatic_limit()),
             {&slow_log_, [this] { return metrics_.Collect(); }}),
      connections_max_(connections_that_fit(options_.connections_max, descriptor_limit())),
      connection_log_(connections_max_),
      rpc_(rpc_options(options_, connections_max_, memory_watch_.automatic_limit(), slow_log_),
           {&legacy_, &key_values_, &admin_}),
      expirer_(engine_),
      rpc_metrics_(rpc_),
      metrics_(
          store_, engine_.memory(), rpc_.bytes_in_flight(), [this] { return rpc_.totals(); },
          [this] { return rpc_.connections(); }) {
  metrics_.add([this](MetricFamilies& families) { rpc_metrics_.collect(families); });
  metrics_.add([this](MetricFamilies& families) { log_meter_.collect(families); });
  metrics_.add([this](MetricFamilies& families) {
    families.push_back(single("slow_requests_total", "Unary calls that took the slow threshold or longer.",
                              prometheus::MetricType::Counter, static_cast<double>(slow_log_.total())));
  });
}

Application::~Application() = default;

int Application::run() {
  redirect_library_logs();
  set_incident_log([](const std::string& text) { log_line(Severity::kError, text); });
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // A limit on file sizes is an error of the write, not the end of the process.
  events_->on_signals({SIGTERM, SIGINT, SIGHUP, SIGUSR1}, [this](int number) { on_signal(number); });
  log_info("kvstore_server {}, process {}", kVersion, getpid());
  log_settings(line_.settings);
  raise_descriptor_limit();
  if (connections_max_ < options_.connections_max) {
    log_warning("--max-connections is lowered from {} to {}: the process may have {} descriptors",
                options_.connections_max, connections_max_, descriptor_limit());
  }
  warn_if_exposed();
  if (const absl::Status loaded = load([this] { return listen(); }); !loaded.ok()) {
    log_error("{}", message_of(loaded));
    rpc_.drain(steady_clock::now());
    events_.reset();
    rpc_.close();
    return exit_code_of(loaded);
  }
  begin_serving();
  wait_for_stop();
  return stop();
}

int Application::recover_only() {
  std::signal(SIGXFSZ, SIG_IGN);
  log_settings(line_.settings);
  only_recovers_ = true;
  on_report_ = [](const std::string& text) { fmt::print("{}", text); };
  if (const absl::Status loaded = load({}); !loaded.ok()) {
    log_error("{}", message_of(loaded));
    return exit_code_of(loaded);
  }
  const absl::Status saved = storage_->stop();
  if (!saved.ok()) log_error("not everything was saved: {}", message_of(saved));
  return saved.ok() ? kExitClean : kExitNotSaved;
}

void Application::warn_if_exposed() const {
  // The client's, where both share an environment; whoever meant the server must not believe in it.
  for (const char* variable : {"KVSTORE_TLS_CERT", "KVSTORE_TLS_KEY"}) {
    if (std::getenv(variable) != nullptr) log_warning("{} is ignored: this server does not speak TLS", variable);
  }
  for (const std::string& address : options_.listen) {
    if (!is_loopback(address)) {
      log_warning("listening on {}: everybody who can connect can read and change the data, there is no authentication",
                  address);
    }
  }
  if (!options_.http_listen.empty() && !is_loopback(options_.http_listen)) {
    log_warning("listening on {} for HTTP: everybody who can connect can read the metrics, there is no authentication",
                options_.http_listen);
  }
}

absl::Status Application::listen() {
  const absl::Status bound = bind();
  return bound.ok() ? bound : with_fact(bound, "exit", std::to_string(kExitCannotBind));
}

absl::Status Application::bind() {
  if (const absl::Status started = rpc_.start(); !started.ok()) return started;
  set_all_unhealthy();
  if (!options_.http_listen.empty()) {
    HttpPages pages{.metrics = [this] { return metrics_.text(); }, .ready = [this] { return engine_.serving(); }};
    auto http = HttpListener::open(options_.http_listen, std::move(pages));
    if (!http.ok()) return http.status();
    http_ = *std::move(http);
    log_info("metrics and probes on port {} of {}", http_->port(), options_.http_listen);
  }
  return absl::OkStatus();
}

absl::Status Application::load(std::function<absl::Status()> when_locked) {
  StorageOptions options;
  options.directory = options_.data_directory;
  options.startup = options_.startup;
  options.settings_rule = options_.settings_rule;
  options.load_threads = std::max(1u, std::thread::hardware_concurrency());
  options.accept_data_loss = options_.accept_data_loss;
  options.only_recover = only_recovers_;
  options.on_report = on_report_;
  options.stop_timeout = options_.stop_timeout;
  options.when_locked = std::move(when_locked);
  options.log = log_from_storage;
  options.on_settings = [this](const Settings& settings) {
    tell_of_change(settings);
    memory_watch_.limit_is(settings.max_memory_bytes);
    slow_log_.set_threshold(settings.slow_threshold);
    set_log_level(settings.log_level);
  };
  options.on_sync = [this](std::chrono::nanoseconds took) { log_meter_.synced(took); };
  options.on_batch = [this](std::uint32_t records) { log_meter_.wrote(records); };
  if (options_.exit_on_disk_failure) options.on_disk_failure = [this] { on_disk_failure(); };
  log_info("loading {}", options_.data_directory);
  auto storage = Storage::open(posix_file_system(), clock_, store_, std::move(options), progress_);
  if (!storage.ok()) return storage.status();
  storage_ = *std::move(storage);
  phase_ = Phase::kServing;  // A signal from here on is a stop with all its steps.
  log_decisions(storage_->decisions(), line_.settings);
  log_recovery(storage_->recovery(), store_);
  log_info("data may have {} of memory, requests and answers {}", format_size(engine_.memory().limit()),
           format_size(rpc_.bytes_in_flight().bytes_max()));
  return absl::OkStatus();
}

// Before a new level of the log is in force: it may be what keeps this line out.
void Application::tell_of_change(const Settings& settings) {
  const std::lock_guard lock(mutex_);
  if (known_settings_) log_changed_settings(*known_settings_, settings);
  known_settings_ = settings;
}

void Application::begin_serving() {
  engine_.attach(storage_->journal());
  if (const absl::Status swept = expirer_.sweep_now(); !swept.ok()) {
    log_warning("keys that are due stay hidden, their removal is not logged yet: {}", message_of(swept));
  }
  engine_.tell_expiries_to(&expirer_);
  expirer_.start();
  legacy_.start_serving(*storage_);
  key_values_.start_serving(*storage_);
  admin_.start_serving(*storage_);
  metrics_.show(*storage_, expirer_, engine_);
  memory_watch_.start(*events_);
  engine_.start_serving();
  for (const char* name : kServedNames) rpc_.set_health(name, true);
  {
    std::lock_guard lock(health_mutex_);
    watching_health_ = true;
  }
  watch_health();
  for (const std::string& address : rpc_.addresses()) log_info("serving on {}", address);
}

void Application::set_all_unhealthy() {
  for (const char* name : kServedNames) rpc_.set_health(name, false);
  for (const char* name : kPromiseNames) rpc_.set_health(name, false);
}

void Application::watch_health() {
  std::lock_guard lock(health_mutex_);
  if (!watching_health_) return;
  const StorageStatus status = storage_->status();
  rpc_.set_health("kvstore.writes", status.accepting_writes && !engine_.memory().alarmed());
  rpc_.set_health("kvstore.persistence", status.promise_kept);
  connection_log_.look(rpc_.connections(), steady_clock::now());
  events_->after(kHealthPeriod, [this] { watch_health(); });
}

std::uint64_t Application::bytes_beside_data() const {
  return storage_->journal().figures().queued_bytes + store_.requests().figures(0).memory_bytes +
         store_.bytes_kept_for_walks() + rpc_.bytes_in_flight().held();
}

void Application::on_signal(int number) {
  if (number == SIGHUP) {
    log_info("SIGHUP: nothing to reload, the log goes to standard error");
    return;
  }
  if (number == SIGUSR1) {
    if (phase_ != Phase::kServing) return;
    storage_->snapshot_now([](const absl::StatusOr<StoredSnapshot>& taken) {
      if (taken.ok()) {
        log_info("SIGUSR1: a snapshot was taken");
      } else {
        log_warning("SIGUSR1: no snapshot was taken: {}", message_of(taken.status()));
      }
    });
    return;
  }
  if (phase_ == Phase::kLoading) {
    log_info("stopped while loading: the next start begins from the same data");
    _exit(kExitClean);
  }
  std::lock_guard lock(mutex_);
  ++stop_signals_;
  if (stop_signals_ >= 3) {
    log_error("third signal: ending at once");
    _exit(code_if_ended_now_);
  }
  if (stop_signals_ == 2 && draining_) {
    log_warning("second signal: calls in flight are not waited for");
    abandon_waiters();
  }
  stop_asked_.notify_all();
}

// Nothing more will be written, and what was promised is on the disk: whoever restarts us finds it there.
void Application::on_disk_failure() {
  std::lock_guard lock(mutex_);
  disk_gone_ = true;
  stop_asked_.notify_all();
}

void Application::abandon_waiters() {
  storage_->journal().abandon_waiters();
  admin_.abandon();
}

void Application::wait_for_stop() {
  std::unique_lock lock(mutex_);
  stop_asked_.wait(lock, [this] { return stop_signals_ > 0 || disk_gone_; });
  draining_ = true;
  if (!disk_gone_) return;
  log_error("the disk failed and --on-disk-failure is exit: stopping, exit {}", static_cast<int>(kExitNotSaved));
  // Nobody is there to see that a disk does not even answer any more.
  guard_the_end(kExitNotSaved, options_.stop_timeout + kEndPatience, "the stop hangs after the disk failed: ending");
}

int Application::stop() {
  const auto begin = steady_clock::now();
  log_info("stopping: {} calls in flight, which get {}", rpc_.calls_in_flight(),
           format_duration(options_.stop_timeout));
  phase_ = Phase::kStopping;
  {
    std::lock_guard lock(health_mutex_);
    watching_health_ = false;
    set_all_unhealthy();
  }
  engine_.stop_serving();
  rpc_.drain(begin + options_.stop_timeout, [this] {
    log_warning("calls are still unanswered at the stop timeout: their outcome is unknown to their callers");
    abandon_waiters();
  });
  {
    std::lock_guard lock(mutex_);
    draining_ = false;
  }
  expirer_.stop();
  const absl::Status saved = storage_->stop();
  const int code = saved.ok() ? kExitClean : kExitNotSaved;
  code_if_ended_now_ = code;
  guard_the_end(code, kEndPatience, "the data is safe, but the stop hangs: ending");
  if (!saved.ok()) log_error("not everything was saved: {}", message_of(saved));
  metrics_.hide();
  http_.reset();
  events_.reset();
  rpc_.close();
  log_info("stopped after {} ms, exit {}",
           std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin).count(), code);
  // The library joins its threads when the last of it goes. One that has looked after a connection which could not take
  // an answer at once does so for up to ten seconds more, and there is nothing to wait for.
  guard_the_end(code, kLibraryPatience, nullptr);
  return code;
}

void Application::guard_the_end(int code, milliseconds patience, const char* why) {
  std::thread([code, patience, why] {
    std::this_thread::sleep_for(patience);
    if (why != nullptr) log_warning("{}", why);
    _exit(code);
  }).detach();
}

}  // namespace kv
