#include "client/attempts.h"

#include <algorithm>

#include <fmt/format.h>
#include <grpcpp/alarm.h>

#include "client/peer_status.h"
#include "core/absl_text.h"
#include "core/error.h"
#include "core/units.h"

namespace kv {
namespace {

using std::chrono::milliseconds;
using WallTime = std::chrono::system_clock::time_point;

constexpr milliseconds kSlice{50};  // How long a stop may go unseen while a connection is made.
constexpr std::string_view kOutcome = "outcome";
constexpr std::string_view kUnknown = "unknown";

WallTime now() { return std::chrono::system_clock::now(); }

// Without a reason word the code comes from the network or the library, and these say nothing about the server.
bool leaves_doubt(absl::StatusCode code) {
  using enum absl::StatusCode;
  return code == kUnavailable || code == kDeadlineExceeded || code == kCancelled || code == kUnknown ||
         code == kInternal;
}

}  // namespace

bool outcome_unknown(const absl::Status& error) {
  if (has_reason(error, Reason::kOutcomeUnknown)) return true;
  const auto facts = facts_of(error);
  const auto outcome = facts.find(std::string(kOutcome));
  return outcome != facts.end() && outcome->second == kUnknown;
}

absl::Status with_outcome_unknown(const absl::Status& error) {
  if (has_reason(error, Reason::kOutcomeUnknown)) return error;
  const std::string text = fmt::format("{}; whether the write took effect is not known", message_of(error));
  absl::Status open(error.code(), to_absl(text));
  error.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) { open.SetPayload(url, payload); });
  return with_fact(std::move(open), std::string(kOutcome), std::string(kUnknown));
}

std::optional<std::string> CallMetadata::trailer(std::string_view name) const {
  const auto found =
      std::find_if(trailers.begin(), trailers.end(), [&](const auto& each) { return each.first == name; });
  return found == trailers.end() ? std::nullopt : std::optional(found->second);
}

Attempts::Attempts(Transport& transport, Endpoint& endpoint, Kind kind, const CallOptions& options)
    : transport_(transport),
      endpoint_(endpoint),
      visit_(transport),
      kind_(kind),
      options_(options),
      closing_(transport.closing()),
      deadline_(now() + options.timeout) {}

absl::Status Attempts::given_up() const {
  if (options_.stop.stop_requested()) {
    return error_of_peer(absl::StatusCode::kCancelled, kInterruptedWord, "interrupted");
  }
  return closing_.stop_requested() ? absl::CancelledError("the client is closing") : absl::OkStatus();
}

absl::Status Attempts::admitted() const {
  if (!visit_.entered()) return absl::CancelledError("the client is closing");
  return given_up();
}

bool Attempts::reached_already() {
  channel_ = endpoint_.channel();
  reached_ = channel_->GetState(true) == GRPC_CHANNEL_READY;
  return reached_;
}

Task<absl::Status> Attempts::reach() {
  channel_ = endpoint_.channel();
  reached_ = false;
  for (;;) {
    const grpc_connectivity_state state = channel_->GetState(true);
    reached_ = state == GRPC_CHANNEL_READY;
    // A call on a channel that failed tells at once why, which the state does not.
    if (reached_ || state == GRPC_CHANNEL_TRANSIENT_FAILURE) co_return absl::OkStatus();
    if (absl::Status stopped = given_up(); !stopped.ok()) co_return stopped;
    if (now() >= deadline_) {
      co_return absl::UnavailableError(fmt::format("cannot reach {}: no connection within {}", endpoint_.target(),
                                                   format_duration(options_.timeout)));
    }
    co_await OnCompletion([&](Completion& changed) {
      channel_->NotifyOnStateChange(state, std::min(deadline_, now() + kSlice), endpoint_.queue().queue(), &changed);
    });
  }
}

absl::Status Attempts::silence() const {
  return absl::DeadlineExceededError(fmt::format("no answer within {}", format_duration(options_.timeout)));
}

absl::Status Attempts::explain(const grpc::Status& status) {
  absl::Status peer = status_of_peer(status);
  if (peer.ok()) return peer;
  if (!reason_of(peer).empty()) {
    // After a bug the server itself does not know what the call had done.
    doubt_ = doubt_ || has_reason(peer, Reason::kOutcomeUnknown) || has_reason(peer, Reason::kInternal);
    return peer;
  }
  const bool sent = reached_ || peer.code() != absl::StatusCode::kUnavailable;
  const bool may_be_done = leaves_doubt(peer.code()) || cut_off(peer) || received_too_large(peer);
  if (kind_.effect == Effect::kWrite && sent && may_be_done) doubt_ = true;
  if (absl::Status stopped = given_up(); !stopped.ok()) return stopped;
  if (peer.code() == absl::StatusCode::kDeadlineExceeded) {
    return silence();
  }
  if (peer.code() != absl::StatusCode::kUnavailable) return peer;
  const std::string cause = last_cause(message_of(peer));
  if (!reached_) return absl::UnavailableError(fmt::format("cannot reach {}: {}", endpoint_.target(), cause));
  return absl::UnavailableError(fmt::format("lost the connection to {}: {}", endpoint_.target(), cause));
}

std::optional<milliseconds> Attempts::next_delay(const absl::Status& failure) {
  ++made_;
  if (!given_up().ok() || !kind_.repeatable) return std::nullopt;
  if (message_too_large(failure) && !bound_doubted_) {
    // Not the server's failure: its limits have grown since they were read.
    bound_doubted_ = true;
    transport_.doubt_bound();
    return transport_.bound_known() ? std::nullopt : std::optional(milliseconds(0));
  }
  const bool passing = failure.code() == absl::StatusCode::kUnavailable || cut_off(failure) ||
                       has_reason(failure, Reason::kOutcomeUnknown) || has_reason(failure, Reason::kOverloaded);
  if (!passing) return std::nullopt;
  const bool may = transport_.throttle().failed();
  if (!may || made_ >= options_.retry.attempts) return std::nullopt;
  // Never before the time that the server has asked for; and not all of those at once who have been told the same.
  const milliseconds delay = retry_after(failure).value_or(milliseconds(0)) + retry_delay(options_.retry, made_);
  return now() + delay < deadline_ ? std::optional(delay) : std::nullopt;
}

Task<bool> Attempts::sleep(milliseconds delay) {
  grpc::Alarm alarm;
  // A stop that comes right before the alarm is set goes unseen for the delay, which ends before the deadline.
  const auto wake = [&alarm] { alarm.Cancel(); };
  const std::stop_callback on_stop(options_.stop, wake);
  const std::stop_callback on_closing(closing_, wake);
  if (!given_up().ok()) co_return false;
  const bool elapsed =
      co_await OnCompletion([&](Completion& woken) { alarm.Set(endpoint_.queue().queue(), now() + delay, &woken); });
  co_return elapsed;
}

absl::Status Attempts::verdict(const absl::Status& failure) const {
  return doubt_ && kind_.effect == Effect::kWrite ? with_outcome_unknown(failure) : failure;
}

}  // namespace kv
