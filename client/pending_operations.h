// The operations of a pipeline from submission to callback: what goes into the next message, which answer is whose,
// what the end of a stream means to each of them, and whose time is over. Nothing here sends or waits for the network;
// client/pipeline_stream.h does.
//
// Hard part: an operation's answer, the end of its stream and its deadline may come in any order, and exactly one of
// them is its end. So all operations lie in one queue in the order of submission, each in one of three states, and
// every event is a walk over that queue. An operation that ended stays until all before it have: callbacks are in
// order. What a late answer is for is known by the operation's number, which outlives its place in the queue. And what
// may have happened: once an operation was sent and its stream has ended without an answer, a doubt remains in whatever
// error comes after.
//
// Threads:  any. deliver() on one at a time; it runs callbacks, and completes waiters for room, without a lock.
// Lifetime: when it goes, nothing is pending and nobody waits.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/pipeline.h"
#include "core/completion.h"
#include "kvstore/v1/key_value_service.pb.h"

namespace kv {

class PendingOperations {
 public:
  using Clock = std::chrono::steady_clock;

  struct Submission {
    std::string field;  // As it stands in a PipelineRequest, tag and length included.
    int kind = 0;       // Operation::OpCase
    bool write = false;
    bool repeatable = true;  // Doing it twice is the same as doing it once.
    Pipeline::Callback done;
  };

  // How a stream ended.
  struct StreamEnd {
    absl::Status why;
    bool again = false;  // What may be repeated shall be.
    bool doubt = true;   // What was sent and not answered may have been done.
  };

  // What operations whose time is over are told.
  struct Late {
    absl::Status sent;
    absl::Status unsent;  // And never tried; else it is how the last attempt failed.
  };

  explicit PendingOperations(PipelineOptions options);

  // ---- Submission
  // False: there is no room, and the submission stays as it is. `woken`: the writer, which has something to do now; to
  // be completed on its own thread.
  bool add(Submission& submission, Clock::time_point now, Completion*& woken);
  void wait_for_room(const Submission& submission);
  // Completes when add() may be tried again: at once, or in deliver().
  void when_room(const Submission& submission, Completion& woken);
  void drain();

  // ---- The writer: it sleeps until there is something to send, or somebody rouses it
  // False: it shall not sleep.
  bool sleep(Completion& writer);
  // The writer, if it sleeps; if not, it will not sleep the next time.
  Completion* rouse();
  // The writer, if it sleeps although there is something to send.
  Completion* rouse_to_send();
  // The bytes of a PipelineRequest; absent: nothing may be sent now. To be followed by deliver(), too: a write that is
  // not to be sent again any more ends here.
  std::optional<std::string> next_message(Clock::time_point now);

  // ---- What happens to operations; each to be followed by deliver()
  // INTERNAL: that is no answer to what was asked; the stream is of no use any more.
  absl::Status take_answer(kvstore::v1::PipelineResponse& response);
  // True: the stream is silent, nothing was answered since an operation was sent whose time is over now.
  bool expire(Clock::time_point now, const Late& late);
  void stream_ended(const StreamEnd& end);
  void end_all(const absl::Status& why);
  // The same, and what is added from now on has ended too.
  void close(const absl::Status& why);
  // Runs the callbacks that are due.
  void deliver();

  bool empty();
  std::optional<Clock::time_point> next_deadline();

 private:
  enum class State { kWaiting, kSent, kEnded };
  struct Entry {
    std::string field;
    std::size_t size = 0;
    int kind = 0;
    bool write = false;
    bool repeatable = true;
    bool doubt = false;        // It may have been done.
    Clock::time_point sent{};  // The first time that it may have been done.
    State state = State::kWaiting;
    int attempts = 0;
    Clock::time_point deadline;
    std::uint64_t message = 0;  // It was sent in.
    absl::Status trouble;       // How the last attempt failed.
    std::size_t held = 0;       // bytes of the result
    Pipeline::Result result;
    Pipeline::Callback done;
  };
  struct Message {
    std::uint64_t id = 0;
    std::uint64_t answers_before = 0;
    bool large = false;
    std::vector<std::uint64_t> numbers;  // of its operations
  };
  struct Ended {
    Pipeline::Callback done;
    Pipeline::Result result;
  };

  // All with mutex_ held.
  Entry& at(std::uint64_t number) { return entries_[number - first_]; }
  Entry* open_entry(std::uint64_t number);  // Null: it has ended.
  bool has_room(std::size_t bytes) const;
  bool sendable();
  void find_next();                           // Moves next_ to the first entry that waits, from where it is.
  void end_forgotten(Clock::time_point now);  // Writes in doubt whose ids the server may have forgotten.
  void put_back(std::uint64_t number);
  void end(Entry& entry, Pipeline::Result result);
  void fail(Entry& entry, const absl::Status& why);
  void fail_all(const absl::Status& why);
  std::deque<Message>::iterator find_message(std::uint64_t id);
  bool is_silent(std::uint64_t message);
  void after_break(Entry& entry, std::uint64_t number, const StreamEnd& end);
  std::vector<Ended> take_ended(CompletionList& waiters);

  const PipelineOptions options_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Entry> entries_;  // guarded by mutex_, like all that follows
  std::uint64_t first_ = 0;    // number of the front
  std::uint64_t next_ = 0;     // the first that waits, or behind the last
  std::size_t bytes_ = 0;      // of all entries
  std::size_t waiting_ = 0;    // entries to be sent
  std::size_t waiting_bytes_ = 0;
  std::size_t held_bytes_ = 0;    // of results that wait for those before them
  std::deque<Message> messages_;  // sent over the present stream and not answered
  std::uint64_t last_id_ = 0;     // of a message
  std::uint64_t answers_ = 0;     // messages that were answered, ever
  bool sent_something_ = false;   // over the present stream
  bool delivering_ = false;
  Completion* writer_ = nullptr;  // while it sleeps
  bool roused_ = false;
  absl::Status closed_;  // Not OK: what is added gets this.
  CompletionList room_waiters_;
};

}  // namespace kv
