// Many small operations at a high rate, over one stream of the Pipeline call: they are gathered into messages, and each
// operation has an answer of its own.
//
// A message goes out at once while fewer than two are under way, and beyond that when it is full: a lone operation is
// not delayed, and under load messages are full by themselves.
//
// Order:    writes of one key take effect in the order of submission, whatever breaks, and a read shows those before
//           it; one that had to be asked again (see below) may show some that were submitted behind it, too. Callbacks
//           come in the order of submission, of all keys: an answer that is there waits for those before it.
// Bounds:   operations and bytes from submission to callback. When there is no room, submit() blocks, call() waits, and
//           try_submit() gives false. All of them have an end: every operation has a deadline. And nothing is sent
//           while answers of as many bytes wait for those before them.
// A break:  what was not sent yet goes out over the next stream. What was sent and not answered goes out again, reads
//           and those writes that carry a request id: as often as options.call.retry says, each stream an attempt, and
//           within the operation's own timeout. The server does such a write once as long as it remembers the id, which
//           is not for ever; so one that may have been done is sent again only within options.resend_for, and ends
//           after that with what broke and outcome_unknown(). A read that was sent again tells what it finds then,
//           which may be newer than what stood behind it. A write without an id is not sent again. A stream on which an
//           operation's time ran out, and nothing was answered since it was sent, is given up like a broken one.
// Answers:  what the server says of one operation is its last word: sent again, it would come behind later ones of its
//           key. A message's answers have 4 MiB; a write that shows previous entries and found no room in them is told
//           RESPONSE_TOO_LARGE, and was not done. A read is asked again by itself, and tells what it finds then: the
//           message has done the writes behind it. Who must have what stood before a write of the same key submits
//           that when the read is answered, or lets the write show its previous entry.
// Threads:  submit(), drain() from any but the client's own, whose work they would wait for; try_submit() and call()
//           from any. Callbacks run on a thread of the client, one at a time, and may submit more with try_submit():
//           short work only.
// Lifetime: goes before its client, and on none of the client's threads. The destructor gives up what is not answered
//           (CANCELLED) and returns when every callback has run; drain() first, to lose nothing.
// Errors:   client/attempts.h. outcome_unknown() tells of a write that failed whether it may have been done.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "client/call_options.h"
#include "core/task.h"
#include "kvstore/v1/operation.pb.h"

namespace kv {

class Client;
class PipelineStream;

struct PipelineOptions {
  // The timeout is that of each operation, from its submission to its answer; level and retries as of a call. A stop
  // gives up everything, also what is submitted later.
  CallOptions call = {};
  // So long after a write was sent first it may be sent again. A server remembers ids for --request-id-window (10 min),
  // but no more than --request-id-max of them (a million): with R writes a second that carry ids, of everybody
  // together, that is --request-id-max / R seconds, and a write whose id is forgotten is done a second time. One second
  // is right for a server of default settings up to a million of them a second; a break that is noticed at once is over
  // in much less. Longer where the server remembers longer (its metric request_id_window_seconds tells), or where a
  // write may be done twice; 0: no write that may have been done is sent again.
  std::chrono::milliseconds resend_for{1000};
  std::size_t message_operations_max = 128;                 // At most 4096, the server's own bound.
  std::size_t message_bytes_max = std::size_t{256} << 10;   // An operation above it goes alone.
  std::size_t messages_in_flight_max = 16;                  // At most 64, what a server reads ahead.
  std::size_t operations_in_flight_max = 8192;              // What waits to be sent included.
  std::size_t bytes_in_flight_max = std::size_t{32} << 20;  // The same. A larger operation has them for itself.
};

class Pipeline {
 public:
  using Result = absl::StatusOr<kvstore::v1::OperationResult>;  // OK: of the operation's own kind, never an error.
  using Callback = absl::AnyInvocable<void(Result)>;

  // On one connection of the client, the next in turn. For several connections make several pipelines, and let a key
  // always go to the same one.
  explicit Pipeline(Client& client, PipelineOptions options = {});
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  // Blocks until there is room. Writes get the level of the options and a request id, as those of Client::call() do.
  void submit(kvstore::v1::Operation operation, Callback done);
  // False: there is no room, nothing was taken, and `done` is still the caller's.
  bool try_submit(kvstore::v1::Operation operation, Callback& done);
  // For coroutines: begins when it is awaited, resumes on a thread of the client.
  Task<Result> call(kvstore::v1::Operation operation);

  // Blocks until nothing is under way, what callbacks have submitted meanwhile included.
  void drain();

 private:
  const bool request_ids_;
  const kvstore::v1::Durability durability_;
  const std::unique_ptr<PipelineStream> stream_;
};

}  // namespace kv
