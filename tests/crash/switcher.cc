#include "tests/crash/switcher.h"

#include <algorithm>

#include <fmt/format.h>

#include "kvstore/v1/admin_service.grpc.pb.h"
#include "tests/crash/workload.h"

namespace kv::crash {
namespace {

namespace v1 = kvstore::v1;
using std::chrono::steady_clock;

v1::PersistenceMode number_of(const std::string& mode) {
  v1::PersistenceMode number = v1::PERSISTENCE_MODE_UNSPECIFIED;
  v1::PersistenceMode_Parse("PERSISTENCE_MODE_" + mode, &number);
  return number;
}

}  // namespace

std::string switch_mode(const std::string& target, const std::string& mode) {
  const auto stub = v1::AdminService::NewStub(connect(target));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  v1::UpdateConfigRequest request;
  request.mutable_config()->set_mode(number_of(mode));
  request.mutable_update_mask()->add_paths("mode");
  request.set_wait_for(v1::TRANSITION_PHASE_ACTIVE);
  v1::UpdateConfigResponse response;
  const grpc::Status status = stub->UpdateConfig(&context, request, &response);
  if (!status.ok()) {
    return fmt::format("a switch to {} failed: {} {}", mode, static_cast<int>(status.error_code()),
                       status.error_message());
  }
  if (response.config().mode() == number_of(mode)) return {};
  return fmt::format("a switch to {} was answered, and the mode is {}", mode,
                     v1::PersistenceMode_Name(response.config().mode()));
}

Switcher::Switcher(std::string target, std::string mode, History& history, Ways& ways, std::uint64_t seed)
    : target_(std::move(target)), history_(history), ways_(ways), random_(seed), known_{std::move(mode), std::nullopt} {
  thread_ = std::thread([this] { run(); });
}

Switcher::~Switcher() { stop(); }

void Switcher::run() {
  while (const auto mode = begin()) {
    // Everything answered by now is in what the new mode begins with.
    const std::uint64_t answered = history_.highest_revision();
    const auto asked = steady_clock::now();
    const std::string problem = switch_mode(target_, *mode);
    // A snapshot has what was there when it was asked for; a log, everything that was answered before the OK.
    const bool has_log = mode == "AOF" || mode == "HYBRID";
    if (problem.empty() && mode != "NON_PERSISTENT") history_.promise(has_log ? history_.highest_revision() : answered);
    end(problem, std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - asked));
    if (!problem.empty()) return;
    rest();
  }
}

void Switcher::rest() {
  constexpr std::uint64_t kMostMicroseconds = 100'000;
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::microseconds(random_() % kMostMicroseconds), [this] { return dying_; });
}

std::optional<std::string> Switcher::begin() {
  std::lock_guard lock(mutex_);
  if (dying_) return std::nullopt;
  std::vector<std::string> others;
  std::copy_if(kModes.begin(), kModes.end(), std::back_inserter(others),
               [&](const std::string& mode) { return mode != known_.mode; });
  const std::string mode = *std::min_element(others.begin(), others.end(), [&](const auto& a, const auto& b) {
    return ways_[{known_.mode, a}] < ways_[{known_.mode, b}];
  });
  ++ways_[{known_.mode, mode}];
  known_.next = mode;
  ++begun_;
  changed_.notify_all();
  return mode;
}

void Switcher::end(const std::string& problem, std::chrono::microseconds took) {
  std::lock_guard lock(mutex_);
  if (problem.empty()) {
    known_ = {*known_.next, std::nullopt};
    duration_ = took;
    ++ended_;
  } else if (!dying_) {
    findings_.push_back(problem);
  }
  changed_.notify_all();
}

bool Switcher::wait_until_begun(std::uint64_t count, std::chrono::seconds bound) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, bound, [&] { return begun_ >= count || !findings_.empty(); });
  return begun_ >= count;
}

bool Switcher::wait_for_end(std::chrono::seconds bound) {
  std::unique_lock lock(mutex_);
  const std::uint64_t ended = ended_;
  return changed_.wait_for(lock, bound, [&] { return ended_ > ended; });
}

void Switcher::expect_death() {
  std::lock_guard lock(mutex_);
  dying_ = true;
  changed_.notify_all();
}

void Switcher::stop() {
  expect_death();
  if (thread_.joinable()) thread_.join();
}

Switcher::Known Switcher::known() const {
  std::lock_guard lock(mutex_);
  return known_;
}

std::uint64_t Switcher::begun() const {
  std::lock_guard lock(mutex_);
  return begun_;
}

std::chrono::microseconds Switcher::duration() const {
  std::lock_guard lock(mutex_);
  return duration_;
}

std::vector<std::string> Switcher::findings() const {
  std::lock_guard lock(mutex_);
  return findings_;
}

}  // namespace kv::crash
