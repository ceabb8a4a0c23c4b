// One message of a pipeline: read from its bytes, carried out, answered.
//
// Hard part: two bytes on the wire may be an operation, and an error of it a kilobyte. So a message says what it takes:
// once when it was read, and again where it grows while it is carried out, which may wait for the log in between.
//
// Lifetime: the bytes outlive the message. Threads: one at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "rpc/message.h"
#include "rpc/message_stream.h"
#include "server/batch.h"
#include "server/engine.h"
#include "server/operation_decoder.h"

namespace kv {

// What an answer says of all its writes together: the newest change, and the level that every one of them has.
struct MessageWritten {
  Revision newest = 0;
  std::optional<Level> level;  // none: no write of it was carried out

  void add(Revision change, Level its_level) noexcept {
    newest = std::max(newest, change);
    level = std::min(level.value_or(its_level), its_level);
  }
  void add(const MessageWritten& other) noexcept {
    if (other.level) add(other.newest, *other.level);
  }
};

// What remains of a message whose answer waits: enough to replace results that must not be shown after all.
struct WaitingAnswer {
  struct Result {
    std::size_t bytes;  // its length in the answer
    Revision revision;  // that must be reached
    Level level;
    bool changed;
    MessageWritten write;  // of a write that was carried out
  };
  std::uint64_t id = 0;
  WireMessage message;
  bool one_fate = false;         // of an atomic message, whose results wait for the same and are not told apart
  std::size_t first_result = 0;  // where results begin in the message
  std::vector<Result> results;   // empty unless it waits
  Engine::Unsettled unsettled;

  std::size_t memory_bytes() const noexcept { return message.bytes().size() + results.capacity() * sizeof(Result); }
  // What the caller gets when the wait has failed.
  WireMessage replaced(const Engine& engine, const absl::Status& why) const;
};

class PipelineMessage final : private BatchSink {
 public:
  // `stream`, where there is one, is told what a message takes beside its bytes, until its answer() is there.
  explicit PipelineMessage(Engine& engine, MessageStream* stream = nullptr) : engine_(engine), stream_(stream) {}

  // MESSAGE_INVALID, FIELD_INVALID, TOO_MANY_OPERATIONS: of the whole. What is wrong with one operation waits for its
  // result.
  absl::Status read(std::string_view bytes);
  // Carries it out. An error ends the stream.
  Task<absl::Status> run(Caller& caller);
  // The answer, and what it must wait for. Nothing of the message is left then.
  WaitingAnswer answer();
  // For results. What is left of it after answer() is kept by an idle stream, and counted nowhere.
  std::size_t room_bytes() const noexcept { return scratch_bytes_ + places_.capacity() * sizeof(Place); }
  // That the stream was told of.
  std::size_t held_bytes() const noexcept { return held_bytes_; }

 private:
  struct Place {
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };

  void begin(std::size_t item) noexcept override { current_ = item; }
  absl::Status reserve(const Outcome& outcome) override;
  void take(const Outcome& outcome) noexcept override;
  void failed(std::size_t items) noexcept override;

  void hold(std::size_t bytes) noexcept;
  absl::Status read_all(std::string_view message);
  void add(DecodedOperation& decoded);
  void forget() noexcept;
  Task<absl::Status> run_atomic(Caller& caller);
  void put_error(std::size_t item);
  void note_waits(WaitingAnswer& answer) const;
  // Throws std::bad_alloc.
  void room(std::size_t bytes);

  Engine& engine_;
  MessageStream* const stream_;
  std::size_t held_bytes_ = 0;
  std::size_t refused_ = 0;  // operations with an error before anything was carried out
  std::uint64_t id_ = 0;
  bool atomic_ = false;
  WriteOptions options_;
  Batch batch_;
  std::size_t current_ = 0;
  std::size_t answered_bytes_ = 0;  // of results that are there
  std::size_t unanswered_ = 0;      // results that are not
  std::vector<Place> places_;       // of each item's result in scratch_
  std::unique_ptr<char[]> scratch_;
  std::size_t scratch_bytes_ = 0;
  std::size_t scratch_used_ = 0;
  std::size_t reserved_ = 0;
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t first_with_options_ = kNone;  // an operation with options of its own
  WireMessage atomic_answer_;
  bool atomic_failed_ = false;
  // What all the results of an atomic message wait for.
  struct Needs {
    Revision revision = 0;
    Level level = Level::kMemory;
    bool as_writer = false;  // of a write, which waits for its level whether it changed something or not
    bool changed = false;    // there is a change of this message's own, whose outcome may be unknown
  };
  static Needs needs_of(const BatchItem& item);
  static Needs needs_of(const Transacted& done);
  Needs atomic_needs_;
};

}  // namespace kv
