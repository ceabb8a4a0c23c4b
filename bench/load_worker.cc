#include "bench/load_worker.h"

#include <algorithm>

#include <sys/prctl.h>

#include "bench/judge.h"

namespace kv {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTend{20};

// Of `whole`, what number `index` of `parts` gets.
int share(int whole, int parts, int index) { return whole / parts + (index < whole % parts ? 1 : 0); }

CallerOptions share_of(const LoadPlan& plan, int index) {
  CallerOptions options = plan.caller;
  options.channels = std::max(1, share(options.channels, plan.threads, index));
  return options;
}

}  // namespace

std::chrono::nanoseconds grace(const LoadPlan& plan) {
  return std::max<std::chrono::nanoseconds>(plan.duration / 100, milliseconds(100));
}

LoadWorker::LoadWorker(const LoadPlan& plan, KeySpace& keys, Ledger* ledger, const Filler& filler, int index)
    : plan_(plan),
      keys_(keys),
      ledger_(ledger),
      index_(index),
      slots_(std::max(1, share(plan.rate ? plan.in_flight_max : plan.closed, plan.threads, index))),
      planner_(plan.workload, keys, plan.seed, static_cast<std::uint64_t>(index),
               static_cast<std::uint64_t>(plan.threads)),
      room_(slots_),
      record_(std::make_unique<Record>()),
      caller_(make_caller(share_of(plan, index), filler)) {
  record_->series.resize(static_cast<std::size_t>(series_points(plan)));
}

LoadWorker::~LoadWorker() { join(); }

void LoadWorker::start(LoadClock::time_point begin) {
  begin_ = begin;
  window_ = begin + plan_.warm_up;
  end_ = window_ + plan_.duration;
  thread_ = std::thread([this] { run(); });
}

void LoadWorker::join() {
  if (thread_.joinable()) thread_.join();
}

void LoadWorker::run() {
  prctl(PR_SET_TIMERSLACK, 1UL);  // The kernel's 50 us would be added to every intended time.
  plan_.rate ? run_open() : run_closed();
  drain();
}

void LoadWorker::run_open() {
  const double shots = *plan_.rate / plan_.depth / plan_.threads;
  const auto index = static_cast<std::uint64_t>(index_);
  Schedule schedule(plan_.arrivals, shots, seed_of(~plan_.seed, index), static_cast<double>(index_) / plan_.threads);
  const auto depth = static_cast<std::uint64_t>(plan_.depth);
  const LoadClock::time_point last_call = end_ + grace(plan_);
  bool over = false;
  for (auto due = begin_ + schedule.next(); due < end_; due = begin_ + schedule.next()) {
    if (measured(due)) record_->intended += depth;
    // What is left of the schedule is only counted.
    over = over || LoadClock::now() > last_call;
    if (!over) {
      std::this_thread::sleep_until(due);
      while (!over && !room_.take_within(kTend)) {
        caller_->tend();
        over = LoadClock::now() > last_call;
      }
    }
    if (over) {
      record_->not_sent += measured(due) ? depth : 0;
    } else {
      fire(due);
    }
  }
}

void LoadWorker::run_closed() {
  std::this_thread::sleep_until(begin_);
  for (int i = 0; i < slots_; ++i) {
    if (room_.take_within(kTend)) fire(LoadClock::now());
  }
  for (auto next = LoadClock::now() + kTend; next < end_; next += kTend) {
    std::this_thread::sleep_until(next);
    caller_->tend();
  }
  std::this_thread::sleep_until(end_);
}

void LoadWorker::drain() {
  const auto patience = LoadClock::now() + plan_.caller.deadline + milliseconds(500);
  int back = 0;
  while (back < slots_ && LoadClock::now() < patience) {
    if (room_.take_within(kTend)) {
      ++back;
    } else {
      caller_->tend();
    }
  }
  caller_.reset();  // What is under way is answered with that.
}

void LoadWorker::fire(LoadClock::time_point intended) {
  auto shot = std::make_unique<Shot>();
  shot->operations.reserve(static_cast<std::size_t>(plan_.depth));
  {
    const std::scoped_lock lock(mutex_);
    for (int i = 0; i < plan_.depth; ++i) {
      shot->operations.push_back(planner_.next());
      shot->operations.back().sequence += plan_.first_sequence;
    }
  }
  if (ledger_ != nullptr) note_floors(*ledger_, *shot);
  shot->intended = intended;
  shot->sent = LoadClock::now();
  caller_->begin(std::move(shot), *this);
}

void LoadWorker::answered(std::unique_ptr<Shot> shot) {
  const LoadClock::time_point now = LoadClock::now();
  keep(*shot, now);
  answered_.fetch_add(shot->operations.size(), std::memory_order_relaxed);
  shot.reset();
  if (!plan_.rate && now < end_) {
    fire(LoadClock::now());
  } else {
    room_.give();
  }
}

std::size_t LoadWorker::moment_of(LoadClock::time_point time) const {
  return std::min(static_cast<std::size_t>((time - window_) / plan_.series), record_->series.size() - 1);
}

void LoadWorker::keep(const Shot& shot, LoadClock::time_point now) {
  const std::uint64_t count = shot.operations.size();
  if (ledger_ != nullptr) judge(shot, *ledger_, record_->verify);
  // An open loop's time is that of the intention, a closed loop's that of the answer.
  const bool counts = measured(plan_.rate ? shot.intended : now);
  if (!plan_.rate && counts) record_->intended += count;
  std::array<std::uint64_t, kLoadKinds> timed{};
  std::uint64_t answered = 0;
  for (std::size_t i = 0; i < shot.operations.size(); ++i) {
    const LoadOperation& operation = shot.operations[i];
    const LoadAnswer& answer = shot.answers[i];
    if (answer.status.ok()) ++answered;
    if (operation.kind == LoadKind::kInsert && answer.status.ok()) keys_.inserted();
    if (counts && keep_answer(operation.kind, answer)) ++timed[static_cast<std::size_t>(operation.kind)];
  }
  // Whoever gets no work done has not reached a rate, however fast it says so.
  if (counts && now <= end_ + grace(plan_)) {
    record_->in_time += answered;
    record_->failed_in_time += count - answered;
  }
  if (measured(now)) {
    SeriesRecord& moment = record_->series[moment_of(now)];
    moment.answered += answered;
    moment.failed += count - answered;
  }
  keep_times(timed, shot, now);
}

// Whether its time is one of the latencies.
bool LoadWorker::keep_answer(LoadKind kind, const LoadAnswer& answer) {
  KindRecord& record = record_->kinds[static_cast<std::size_t>(kind)];
  if (answer.status.ok()) {
    ++record.answered;
    record.bytes += answer.bytes;
    record.missing += answer.missing ? 1 : 0;
    return true;
  }
  ++record.failed;
  ++record.errors[error_name(answer.status)];
  return answer.status.code() == absl::StatusCode::kDeadlineExceeded;
}

// The operations of a message took one time, all of them: it is kept once for each kind.
void LoadWorker::keep_times(const std::array<std::uint64_t, kLoadKinds>& timed, const Shot& shot,
                            LoadClock::time_point now) {
  for (std::size_t kind = 0; kind < kLoadKinds; ++kind) {
    if (timed[kind] == 0) continue;
    record_->kinds[kind].from_intended.add(now - shot.intended, timed[kind]);
    record_->kinds[kind].from_sent.add(now - shot.sent, timed[kind]);
    record_->series[moment_of(plan_.rate ? shot.intended : now)].latency.add(now - shot.intended, timed[kind]);
  }
}

}  // namespace kv
