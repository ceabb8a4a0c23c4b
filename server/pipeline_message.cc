#include "server/pipeline_message.h"

#include <algorithm>
#include <cstring>
#include <new>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/error.h"
#include "server/answer_writer.h"
#include "server/pipeline_call.h"
#include "server/transact_call.h"

namespace kv {
namespace {

enum : std::uint32_t { kId = 1, kOperations = 2, kAtomic = 3, kOptions = 4 };
enum : std::uint32_t { kResults = 2, kWrite = 3 };
constexpr std::uint32_t bytes(std::uint32_t field) { return wire_tag(field, WireType::kBytes); }
constexpr std::uint32_t number(std::uint32_t field) { return wire_tag(field, WireType::kVarint); }

constexpr std::size_t kFramingBytesMax = 64;       // of an answer, its results not counted
constexpr std::size_t kResultFramingBytes = 8;     // tag and length of one
constexpr std::size_t kScratchKept = 64 << 10;     // by an idle stream
constexpr std::size_t kPlacesKept = 256;           // as well
constexpr std::size_t kErrorTextMax = 320;         // of one result
constexpr std::size_t kErrorMemoryBytes = 1024;    // of one, with its words and its facts
constexpr std::size_t kErrorResultBytesMax = 640;  // kept free for each result that is not there yet

absl::Status shortened(const absl::Status& failed) {
  const std::string_view text = message_of(failed);
  if (text.size() <= kErrorTextMax) return failed;
  return error_of_peer(failed.code(), reason_of(failed), text.substr(0, kErrorTextMax));
}

Outcome failure(const absl::Status& why) {
  Outcome outcome;
  outcome.error = shortened(why);
  return outcome;
}

// Of one write: what is refused has no level, whatever it asked for, and neither has a read.
MessageWritten written_by(const BatchItem& item) {
  MessageWritten write;
  if (item.operation.writes() && item.error.ok()) write.add(item.revision, item.level);
  return write;
}

void write_all_written(const MessageWritten& all, WireWriter& writer) {
  if (!all.level) return;  // Nothing was written, and the field is not set.
  const std::size_t mark = writer.size();
  write_written(all.newest, *all.level, false, writer);
  writer.enclose(kWrite, mark);
}

bool nobody_waits(const absl::Status& status) {
  return has_reason(status, Reason::kExpiredInQueue) || has_reason(status, Reason::kCancelledInQueue);
}

}  // namespace

// A reader waits only where nothing may be shown that is not durable.
PipelineMessage::Needs PipelineMessage::needs_of(const BatchItem& item) {
  const bool changed = item.revision != 0 && !item.replayed;
  if (const Revision logged = std::max(item.revision, item.logged); logged != 0)
    return {logged, item.level, true, changed};
  if (item.operation.writes()) return {item.shown, item.level, true};
  return {item.shown, item.level == Level::kDisk ? Level::kDisk : Level::kMemory};
}

PipelineMessage::Needs PipelineMessage::needs_of(const Transacted& done) {
  if (done.revision != 0) return {done.revision, *done.level, true, done.changed};
  if (done.level) return {done.shown, *done.level, true};
  return {done.shown, Level::kDisk};
}

absl::Status PipelineMessage::read(std::string_view message) {
  try {
    return read_all(message);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
}

absl::Status PipelineMessage::read_all(std::string_view message) {
  id_ = 0;
  atomic_ = false;
  options_ = {};
  batch_.clear();
  held_bytes_ = refused_ = 0;
  first_with_options_ = kNone;
  DecodedOperation::Options options;
  UnknownField unknown;
  WireReader reader(message);
  while (reader.next()) {
    switch (reader.tag()) {
      case number(kId):
        id_ = reader.varint();
        break;
      case bytes(kOperations): {
        DecodedOperation decoded;
        WireReader operation = reader.message();
        if (!decode_operation(operation, decoded)) return unparsable("kvstore.v1.PipelineRequest");
        if (batch_.size() == kPipelineOperationsMax) {
          return error(Reason::kTooManyOperations,
                       fmt::format("a message has more than {} operations", kPipelineOperationsMax),
                       {{"limit", std::to_string(kPipelineOperationsMax)}, {"field", "operations"}});
        }
        add(decoded);
        break;
      }
      case number(kAtomic):
        atomic_ = reader.boolean();
        break;
      case bytes(kOptions): {
        WireReader inner = reader.message();
        if (!decode_options(inner, options, unknown, "options.")) reader.fail();
        break;
      }
      default:
        unknown.note("", reader.field());
        reader.skip();
    }
  }
  if (reader.failed()) return unparsable("kvstore.v1.PipelineRequest");
  if (unknown.number != 0) return refuse_unknown(unknown);
  if (atomic_ && first_with_options_ != kNone) {
    return within(refuse_field("options", "belongs to the whole message, which is atomic"),
                  place_of("operations", first_with_options_, batch_[first_with_options_].operation.kind));
  }
  if (atomic_ && batch_.size() > kTransactionOperationsMax) {
    return error(Reason::kTooManyOperations,
                 fmt::format("an atomic message has more than {} operations", kTransactionOperationsMax),
                 {{"limit", std::to_string(kTransactionOperationsMax)}, {"field", "operations"}});
  }
  if (!atomic_ && !options.request_id.empty()) {
    return refuse_field("options.request_id", "needs atomic: else each operation has its own");
  }
  if (absl::Status well = finish(options, options_); !well.ok()) return well;
  // A transaction is a copy of its operations. Of errors an estimate will do.
  const std::size_t copied = atomic_ ? batch_.size() * sizeof(Operation) : 0;
  hold(batch_.memory_bytes() + batch_.size() * sizeof(Place) + copied + refused_ * kErrorMemoryBytes);
  return absl::OkStatus();
}

void PipelineMessage::hold(std::size_t bytes) noexcept {
  held_bytes_ += bytes;
  if (stream_ != nullptr) stream_->hold_read(bytes);
}

void PipelineMessage::add(DecodedOperation& decoded) {
  const std::size_t index = batch_.size();
  absl::Status well = finish(decoded);
  if (well.ok()) well = engine_.check(decoded.operation);
  if (!well.ok()) {
    well = within(well, place_of("operations", index, decoded.operation.kind));
    ++refused_;
  }
  batch_.add(decoded.operation).error = std::move(well);
  if (decoded.options.there && first_with_options_ == kNone) first_with_options_ = index;
}

Task<absl::Status> PipelineMessage::run(Caller& caller) {
  unanswered_ = batch_.size();
  answered_bytes_ = scratch_used_ = 0;
  atomic_failed_ = false;
  atomic_needs_ = {};
  try {
    places_.assign(batch_.size(), Place());
    if (!atomic_) batch_.plan(engine_.store());
  } catch (const std::bad_alloc&) {
    co_return no_memory();
  }
  for (std::size_t i = 0; i < batch_.size() && !atomic_; ++i) {
    WriteOptions& options = batch_[i].operation.options;
    if (!options.level) options.level = options_.level;
  }
  if (atomic_) co_return co_await run_atomic(caller);
  co_return co_await engine_.run(batch_, caller, *this);
}

// Its operations have one fate.
Task<absl::Status> PipelineMessage::run_atomic(Caller& caller) {
  TransactionRequest request;
  request.options = options_;
  request.then.reserve(batch_.size());
  absl::Status failed;
  for (std::size_t i = 0; i < batch_.size() && failed.ok(); ++i) {
    failed = batch_[i].error;
    request.then.push_back(batch_[i].operation);
  }
  TransactionWriter writer(atomic_answer_, engine_.limits().response_bytes_max(), id_);
  if (failed.ok()) {
    // The answer waits, not the message: others come after it.
    const absl::StatusOr<Transacted> done = co_await engine_.transact_unsettled(request, caller, writer);
    if (nobody_waits(done.status())) co_return done.status();
    if (done.ok()) atomic_needs_ = needs_of(*done);
    failed = done.ok() ? done->error : done.status();
    if (done.ok() && done->failed_at) {
      const std::size_t at = *done->failed_at;
      failed = within(failed, place_of("operations", at, batch_[at].operation.kind));
    }
  }
  atomic_failed_ = !failed.ok();
  for (std::size_t i = 0; i < batch_.size() && atomic_failed_; ++i) batch_[i].error = failed;
  co_return absl::OkStatus();
}

// ---- Results

absl::Status PipelineMessage::reserve(const Outcome& outcome) {
  reserved_ = answer_bytes_at_most(outcome) + kResultFramingBytes;
  const std::size_t others = (unanswered_ - 1) * kErrorResultBytesMax + kFramingBytesMax;
  const std::size_t bytes_max = engine_.limits().response_bytes_max();
  if (answered_bytes_ + reserved_ + others > bytes_max) return response_too_large(bytes_max);
  room(reserved_);
  return absl::OkStatus();
}

void PipelineMessage::take(const Outcome& outcome) noexcept {
  scratch_used_ += reserved_;
  WireWriter writer(scratch_.get() + scratch_used_, reserved_);
  write_result(outcome, writer);
  writer.enclose(kResults, 0);
  places_[current_] = {scratch_used_ - writer.size(), writer.size()};
  answered_bytes_ += writer.size();
  --unanswered_;
}

void PipelineMessage::failed(std::size_t items) noexcept { hold(items * kErrorMemoryBytes); }

void PipelineMessage::room(std::size_t bytes) {
  if (scratch_used_ + bytes <= scratch_bytes_) return;
  const std::size_t larger = std::max(2 * scratch_bytes_, scratch_used_ + bytes);
  std::unique_ptr<char[]> made(new char[larger]);
  if (scratch_used_ != 0) std::memcpy(made.get(), scratch_.get(), scratch_used_);
  scratch_ = std::move(made);
  if (larger > kScratchKept) hold(larger - std::max(scratch_bytes_, kScratchKept));
  scratch_bytes_ = larger;
}

void PipelineMessage::put_error(std::size_t item) {
  const Outcome outcome = failure(batch_[item].error);
  current_ = item;
  reserved_ = answer_bytes_at_most(outcome) + kResultFramingBytes;
  room(reserved_);
  take(outcome);
}

WaitingAnswer PipelineMessage::answer() {
  WaitingAnswer answer;
  if (atomic_ && !atomic_failed_) {
    answer.message = std::move(atomic_answer_);
  } else {
    MessageWritten written;
    for (std::size_t i = 0; i < batch_.size(); ++i) {
      if (places_[i].bytes == 0) put_error(i);
      written.add(written_by(batch_[i]));
    }
    const std::size_t room = answered_bytes_ + kFramingBytesMax;
    WireWriter writer(answer.message.reserve(room), room);
    write_all_written(written, writer);
    for (std::size_t i = batch_.size(); i-- > 0;) writer.raw({scratch_.get() + places_[i].offset, places_[i].bytes});
    writer.number(kId, id_);
    answer.message.keep_last(writer.size());
  }
  note_waits(answer);
  forget();
  return answer;
}

void PipelineMessage::note_waits(WaitingAnswer& answer) const {
  const auto needs = [this](std::size_t i) { return atomic_ ? atomic_needs_ : needs_of(batch_[i]); };
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    const Needs wants = needs(i);
    if (wants.level == Level::kMemory) continue;
    Revision& wanted = !wants.as_writer              ? answer.unsettled.shown
                       : wants.level == Level::kDisk ? answer.unsettled.disk
                                                     : answer.unsettled.os;
    wanted = std::max(wanted, wants.revision);
  }
  if (engine_.settled(answer.unsettled)) return;
  answer.one_fate = atomic_;
  answer.first_result = id_ == 0 ? 0 : 1 + varint_bytes(id_);
  answer.results.reserve(batch_.size());
  for (std::size_t i = 0; i < batch_.size(); ++i) {
    const Needs wants = needs(i);
    answer.results.push_back({places_[i].bytes, wants.revision, wants.level, wants.changed, written_by(batch_[i])});
  }
}

void PipelineMessage::forget() noexcept {
  batch_.clear();
  if (places_.capacity() > kPlacesKept) std::vector<Place>().swap(places_);
  if (scratch_bytes_ <= kScratchKept) return;
  scratch_.reset();
  scratch_bytes_ = 0;
}

WireMessage WaitingAnswer::replaced(const Engine& engine, const absl::Status& why) const {
  const Outcome unknown = failure(error(Reason::kOutcomeUnknown, "the change may or may not be on disk"));
  const Outcome hidden = failure(has_reason(why, Reason::kOutcomeUnknown)
                                     ? error(Reason::kNotDurable, "the answer would show what may not be on disk")
                                     : why);
  if (one_fate && engine.reached(results.front().revision, results.front().level)) return message;
  const std::string_view old = message.bytes();
  std::size_t end = first_result;
  for (const Result& result : results) end += result.bytes;
  const std::size_t room =
      old.size() + kFramingBytesMax + results.size() * (answer_bytes_at_most(unknown) + answer_bytes_at_most(hidden));
  WireMessage made;
  WireWriter writer(made.reserve(room), room);
  std::vector<bool> shown;
  MessageWritten written;
  for (const Result& result : results) {
    shown.push_back(!one_fate && engine.reached(result.revision, result.level));
    if (shown.back()) written.add(result.write);
  }
  write_all_written(written, writer);
  for (std::size_t i = results.size(); i-- > 0;) {
    const Result& result = results[i];
    end -= result.bytes;
    if (shown[i]) {
      writer.raw(old.substr(end, result.bytes));
    } else {
      const std::size_t mark = writer.size();
      write_result(result.changed ? unknown : hidden, writer);
      writer.enclose(kResults, mark);
    }
  }
  writer.raw(old.substr(0, first_result));
  made.keep_last(writer.size());
  return made;
}

}  // namespace kv
