// The attempts of one call: reaching the server, what a failed attempt means, whether another one follows and when.
//
// Hard part: what may have happened. A write whose attempt broke may have taken effect, whatever its later attempts are
// told: "not applied" of the second says nothing about the first. So a doubt, once there, stays in the final error.
//
// Threads:  one at a time, as the call's coroutine is resumed.
// Errors:   absl::Status with the server's code, message and reason word (core/error.h). UNAVAILABLE without a reason
//           word: the server was not reached, or the connection broke. outcome_unknown() tells whether a write that
//           failed may have been done all the same.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/client_context.h>

#include "absl/status/status.h"
#include "client/call_options.h"
#include "client/methods.h"
#include "client/transport.h"
#include "core/task.h"

namespace kv {

// The reason word of a call that was given up because its stop was requested.
inline constexpr std::string_view kInterruptedWord = "INTERRUPTED";

// A write that ended with this error may have been done, or may yet be.
bool outcome_unknown(const absl::Status& error);
// The error of a write, with that said.
absl::Status with_outcome_unknown(const absl::Status& error);

// What goes and comes beside the messages. Names in lower case.
struct CallMetadata {
  std::vector<std::pair<std::string, std::string>> sent;
  std::vector<std::pair<std::string, std::string>> trailers;  // Of the last attempt.

  std::optional<std::string> trailer(std::string_view name) const;
};

class Attempts {
 public:
  struct Kind {
    Effect effect = Effect::kRead;
    bool repeatable = true;    // Doing it twice is the same as doing it once.
    bool has_deadline = true;  // Of an attempt; a stream has none, only a bound of its silence.
  };

  Attempts(Transport& transport, Endpoint& endpoint, Kind kind, const CallOptions& options);

  // OK, or why no attempt may be made: given up, or the client is closing.
  absl::Status admitted() const;

  // To be called before each attempt. OK: channel() is ready, or will tell at once why it is not.
  Task<absl::Status> reach();
  // The same without waiting, when the connection stands.
  bool reached_already();
  const std::shared_ptr<grpc::Channel>& channel() const noexcept { return channel_; }
  Endpoint& endpoint() noexcept { return endpoint_; }
  std::chrono::system_clock::time_point deadline() const noexcept { return deadline_; }
  bool has_deadline() const noexcept { return kind_.has_deadline; }
  std::stop_token stop() const noexcept { return options_.stop; }
  std::stop_token closing() const noexcept { return closing_; }

  // Nothing came for the timeout.
  absl::Status silence() const;
  // What the attempt's end means to the caller.
  absl::Status explain(const grpc::Status& status);
  // The time until the next attempt; none: this failure is the last word.
  std::optional<std::chrono::milliseconds> next_delay(const absl::Status& failure);
  Task<bool> sleep(std::chrono::milliseconds delay);
  // The last word: the failure of the last attempt and what is known of all of them.
  absl::Status verdict(const absl::Status& failure) const;
  void succeeded() noexcept { transport_.throttle().succeeded(); }

 private:
  absl::Status given_up() const;

  Transport& transport_;
  Endpoint& endpoint_;
  const Transport::Visit visit_;
  const Kind kind_;
  const CallOptions options_;
  const std::stop_token closing_;
  const std::chrono::system_clock::time_point deadline_;

  std::shared_ptr<grpc::Channel> channel_;
  bool reached_ = false;  // The connection stood when the attempt began.
  bool doubt_ = false;    // Some attempt may have taken effect.
  bool bound_doubted_ = false;
  int made_ = 0;
};

}  // namespace kv
