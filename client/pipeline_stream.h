// The stream under a pipeline, and the next one when it breaks.
//
// Three coroutines on the thread of the connection's queue: one opens streams and writes messages, one reads answers,
// one watches deadlines. Other threads only add operations, and wake the first one through the queue.
//
// Hard part: a break. Writer and reader must both have left the broken stream before the library lets go of it and
// before the next one is begun; and whoever sleeps must be woken by each of: something to send, a break, a stop, the
// end. So there is one place to sleep (PendingOperations::sleep), and whoever takes the sleeper from there wakes it.
//
// Threads:  try_submit() from any; the destructor on none of the client's own.
// Lifetime: goes before its transport; when it goes, every callback has run.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include <grpcpp/alarm.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/byte_buffer.h>

#include "client/attempts.h"
#include "client/pending_operations.h"
#include "core/task.h"
#include "kvstore/v1/key_value_service.pb.h"

namespace kv {

class PipelineStream {
 public:
  PipelineStream(Transport& transport, PipelineOptions options);
  ~PipelineStream();
  PipelineStream(const PipelineStream&) = delete;
  PipelineStream& operator=(const PipelineStream&) = delete;

  // False: there is no room, and the submission stays as it is.
  bool try_submit(PendingOperations::Submission& submission);
  PendingOperations& pending() noexcept { return pending_; }

 private:
  using Call = grpc::ClientAsyncReaderWriter<grpc::ByteBuffer, kvstore::v1::PipelineResponse>;
  struct GiveUp {
    PipelineStream& stream;
    void operator()() const { stream.give_up(); }
  };

  // From any thread.
  void give_up();
  void wake(Completion* writer);

  // The rest on the queue's thread.
  Detached run();
  // One stream, from connecting to its end: why it ended.
  Task<absl::Status> serve();
  Task<absl::Status> talk(Attempts& attempts);
  Task<bool> write_messages(Call& call);
  Detached read_answers(Call& call);
  // Decides what becomes of what was sent; waits before the next stream where there is work for one.
  Task<bool> settle(absl::Status end);
  void end_all();
  Task<bool> leave();

  auto something_to_do();
  auto pause(std::chrono::milliseconds delay);
  auto reader_left();
  auto deadline(PendingOperations::Clock::time_point time);
  auto deadlines_left();

  // Unless it does already. It ends when nothing is pending.
  void watch_deadlines();
  Detached watch();
  void expire();

  bool given_up() const noexcept { return giving_up_.stop_requested(); }
  bool closed();
  absl::Status why_given_up();

  Transport& transport_;
  const Transport::Visit visit_;
  Endpoint& endpoint_;
  const PipelineOptions options_;
  PendingOperations pending_;
  std::stop_source giving_up_;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;  // guarded by mutex_
  bool ended_ = false;   // guarded by mutex_
  grpc::Alarm pause_;    // set and cancelled under mutex_

  grpc::Alarm wake_alarm_;  // by whoever has taken the sleeper
  // Only on the queue's thread.
  grpc::Alarm deadline_alarm_;
  bool watching_ = false;
  Completion* watch_waiter_ = nullptr;
  grpc::ClientContext* context_ = nullptr;  // of the stream that stands
  bool reading_ = false;
  Completion* reader_waiter_ = nullptr;
  bool broken_ = false;   // nothing more can be written or read
  bool silent_ = false;   // given up for that
  absl::Status refused_;  // why we gave it up ourselves
  int failures_ = 0;      // streams that ended since the last answer

  // Last: what they do needs all the rest.
  std::optional<std::stop_callback<GiveUp>> on_stop_;
  std::optional<std::stop_callback<GiveUp>> on_closing_;
};

}  // namespace kv
