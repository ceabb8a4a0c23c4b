// One connection's Pipeline stream, and the next one when it breaks.
//
// Hard part: answers come in any order, because one that waits for the disk holds up no other: they are known by their
// id. And an answer that never comes. A stream that ends fails every shot that was sent on it, whatever became of
// their writes; the next shot opens another stream. The library takes one message at a time, so messages wait in line;
// the load's own bound on what is in flight bounds the line. A stream on which nothing is answered for the deadline is
// cancelled by tend().
//
// Threads:  send() from any thread; answers come on the queue's thread. close() from neither.
// Lifetime: close() before the endpoint's queue is stopped; then every shot has been answered.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>

#include "bench/shot.h"
#include "client/endpoint.h"
#include "core/completion.h"
#include "core/task.h"

namespace kv {

class PipelineLane {
 public:
  PipelineLane(Endpoint& endpoint, std::chrono::milliseconds deadline, bool verify)
      : endpoint_(endpoint), deadline_(deadline), verify_(verify) {}

  // `id` is the message's own, and no other's of this lane.
  void send(std::uint64_t id, const grpc::ByteBuffer& message, std::unique_ptr<Shot> shot, ShotSink& sink);
  void tend();
  // Cancels what is under way and waits until it has ended.
  void close();

 private:
  struct Sent {
    std::uint64_t id = 0;
    grpc::ByteBuffer message;
    std::unique_ptr<Shot> shot;
    ShotSink* sink = nullptr;
  };
  struct Stream;
  using StreamPtr = std::shared_ptr<Stream>;
  // Writing is to begin when the thread has nothing else to do: what others send until then leaves with it. Holds its
  // stream meanwhile.
  struct Start final : Completion {
    void complete(bool) noexcept override {
      PipelineLane& of = *lane;  // this object may go with the stream
      of.write_all(std::move(stream));
    }
    PipelineLane* lane = nullptr;
    StreamPtr stream;
  };
  // From its opening until its last event; its coroutines hold it.
  struct Stream {
    grpc::ClientContext context;
    std::unique_ptr<grpc::GenericStub> stub;
    std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call;
    std::deque<Sent> waiting;                           // guarded by the lane's mutex, like all that follows
    std::unordered_map<std::uint64_t, Sent> under_way;  // by id
    LoadClock::time_point last_sign;                    // an answer, or the first shot after silence
    bool writing = true;                                // or not begun
    bool ended = false;                                 // no more answers
    std::atomic<bool> silent{false};                    // cancelled for that
    Start start;                                        // of whoever has set `writing`
  };

  Detached run(StreamPtr stream);
  Detached write_all(StreamPtr stream);
  void take(Stream& stream, grpc::ByteBuffer& bytes);
  void fail_all(Stream& stream, const absl::Status& status);
  void start_writing(StreamPtr stream);
  // `options` say whether another one follows.
  bool next_to_write(Stream& stream, grpc::ByteBuffer& message, grpc::WriteOptions& options);
  void writer_ended();

  Endpoint& endpoint_;
  const std::chrono::milliseconds deadline_;
  const bool verify_;

  std::mutex mutex_;
  std::condition_variable ended_;
  StreamPtr stream_;    // guarded by mutex_; null: none is open
  int coroutines_ = 0;  // guarded by mutex_
};

}  // namespace kv
