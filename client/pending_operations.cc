#include "client/pending_operations.h"

#include <algorithm>
#include <utility>

#include "client/attempts.h"
#include "core/error.h"

namespace kv {
namespace {

using kvstore::v1::OperationResult;

constexpr std::size_t kServerOperationsMax = 4096;
constexpr std::size_t kServerMessagesMax = 64;
// More than a server of default settings takes as one entry. What the library refuses for its size ends the stream, and
// whose fault that is nobody says: so such an operation is under way alone.
constexpr std::size_t kLargeBytes = std::size_t{4} << 20;
// Messages that are not full go out while so few are under way: one that the server works on, one that is on its way.
constexpr std::size_t kEagerMessages = 2;
constexpr std::size_t kIdBytesMax = 11;

PipelineOptions within_bounds(PipelineOptions options) {
  options.message_operations_max = std::clamp(options.message_operations_max, std::size_t{1}, kServerOperationsMax);
  options.message_bytes_max = std::min(options.message_bytes_max, kLargeBytes);
  options.messages_in_flight_max = std::clamp(options.messages_in_flight_max, std::size_t{1}, kServerMessagesMax);
  options.operations_in_flight_max = std::max(options.operations_in_flight_max, std::size_t{1});
  options.resend_for = std::min(options.resend_for, options.call.timeout);  // Nothing is sent after that.
  return options;
}

bool found_no_room(const OperationResult& result) {
  return result.has_error() && result.error().reason() == word(Reason::kResponseTooLarge);
}

// Whether a server may say this of an operation of this kind. The kinds of operations and of results have the same
// numbers.
bool is_answer_to(int kind, const OperationResult& result) {
  if (result.has_error()) return result.error().code() > 0 && result.error().code() <= 16;
  return kind != 0 && static_cast<int>(result.result_case()) == kind;
}

Pipeline::Result result_of(OperationResult& result) {
  if (!result.has_error()) return std::move(result);
  const auto& error = result.error();
  return error_of_peer(static_cast<absl::StatusCode>(error.code()), error.reason(), error.message());
}

}  // namespace

PendingOperations::PendingOperations(PipelineOptions options) : options_(within_bounds(std::move(options))) {}

// ---- Submission -------------------------------------------------------------------------------------------------

bool PendingOperations::has_room(std::size_t bytes) const {
  return entries_.empty() ||
         (entries_.size() < options_.operations_in_flight_max && bytes_ + bytes <= options_.bytes_in_flight_max);
}

bool PendingOperations::add(Submission& submission, Clock::time_point now, Completion*& woken) {
  const std::scoped_lock lock(mutex_);
  if (!has_room(submission.field.size())) return false;
  Entry& entry = entries_.emplace_back();
  entry.size = submission.field.size();
  entry.field = std::move(submission.field);
  entry.kind = submission.kind;
  entry.write = submission.write;
  entry.repeatable = submission.repeatable;
  entry.deadline = now + options_.call.timeout;
  entry.done = std::move(submission.done);
  bytes_ += entry.size;
  ++waiting_;
  waiting_bytes_ += entry.size;
  if (!closed_.ok()) fail(entry, closed_);
  if (writer_ != nullptr && sendable()) woken = std::exchange(writer_, nullptr);
  return true;
}

void PendingOperations::wait_for_room(const Submission& submission) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return has_room(submission.field.size()); });
}

void PendingOperations::when_room(const Submission& submission, Completion& woken) {
  {
    const std::scoped_lock lock(mutex_);
    if (!has_room(submission.field.size())) return room_waiters_.push(woken);
  }
  woken.complete(true);
}

void PendingOperations::drain() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return entries_.empty() && !delivering_ && room_waiters_.empty(); });
}

bool PendingOperations::empty() {
  const std::scoped_lock lock(mutex_);
  return entries_.empty();
}

// ---- The writer -------------------------------------------------------------------------------------------------

bool PendingOperations::sendable() {
  if (waiting_ == 0 || messages_.size() >= options_.messages_in_flight_max) return false;
  if (messages_.empty()) return true;
  if (messages_.front().large || at(next_).size > kLargeBytes) return false;
  if (held_bytes_ > options_.bytes_in_flight_max) return false;
  const bool full = waiting_ >= options_.message_operations_max || waiting_bytes_ >= options_.message_bytes_max;
  return full || messages_.size() < kEagerMessages;
}

bool PendingOperations::sleep(Completion& writer) {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(roused_, false) || sendable()) return false;
  writer_ = &writer;
  return true;
}

Completion* PendingOperations::rouse() {
  const std::scoped_lock lock(mutex_);
  roused_ = writer_ == nullptr;
  return std::exchange(writer_, nullptr);
}

Completion* PendingOperations::rouse_to_send() {
  const std::scoped_lock lock(mutex_);
  return writer_ != nullptr && sendable() ? std::exchange(writer_, nullptr) : nullptr;
}

void PendingOperations::find_next() {
  const std::uint64_t end = first_ + entries_.size();
  next_ = std::max(next_, first_);
  while (next_ < end && at(next_).state != State::kWaiting) ++next_;
}

// At the last moment before it would be sent: a break is followed by a delay and by connecting, which take their time.
void PendingOperations::end_forgotten(Clock::time_point now) {
  while (waiting_ > 0) {
    Entry& entry = at(next_);
    if (!entry.write || !entry.doubt || now - entry.sent < options_.resend_for) return;
    fail(entry, entry.trouble);
  }
}

std::optional<std::string> PendingOperations::next_message(Clock::time_point now) {
  const std::scoped_lock lock(mutex_);
  end_forgotten(now);
  if (!sendable()) return std::nullopt;
  Message message{.id = ++last_id_, .answers_before = answers_, .large = at(next_).size > kLargeBytes, .numbers = {}};
  kvstore::v1::PipelineRequest head;
  head.set_id(message.id);
  std::string bytes;
  bytes.reserve(std::max(at(next_).size, std::min(waiting_bytes_, options_.message_bytes_max)) + kIdBytesMax);
  head.AppendToString(&bytes);
  while (waiting_ > 0 && message.numbers.size() < options_.message_operations_max) {
    Entry& entry = at(next_);
    if (!message.numbers.empty() && bytes.size() + entry.size > options_.message_bytes_max) break;
    bytes += entry.field;
    entry.state = State::kSent;
    entry.message = message.id;
    if (!entry.doubt) entry.sent = now;
    ++entry.attempts;
    --waiting_;
    waiting_bytes_ -= entry.size;
    message.numbers.push_back(next_);
    find_next();
    end_forgotten(now);
  }
  messages_.push_back(std::move(message));
  sent_something_ = true;
  return bytes;
}

// ---- Answers ----------------------------------------------------------------------------------------------------

PendingOperations::Entry* PendingOperations::open_entry(std::uint64_t number) {
  return number < first_ || at(number).state == State::kEnded ? nullptr : &at(number);
}

std::deque<PendingOperations::Message>::iterator PendingOperations::find_message(std::uint64_t id) {
  return std::find_if(messages_.begin(), messages_.end(), [&](const Message& message) { return message.id == id; });
}

void PendingOperations::end(Entry& entry, Pipeline::Result result) {
  if (entry.state == State::kWaiting) {
    --waiting_;
    waiting_bytes_ -= entry.size;
  }
  entry.state = State::kEnded;
  entry.field = {};
  entry.result = std::move(result);
  if (entry.result.ok()) entry.held = entry.result->ByteSizeLong();
  held_bytes_ += entry.held;
  find_next();
}

void PendingOperations::fail(Entry& entry, const absl::Status& why) {
  end(entry, entry.write && entry.doubt ? with_outcome_unknown(why) : why);
}

void PendingOperations::put_back(std::uint64_t number) {
  Entry& entry = at(number);
  entry.state = State::kWaiting;
  ++waiting_;
  waiting_bytes_ += entry.size;
  next_ = std::min(next_, number);
}

absl::Status PendingOperations::take_answer(kvstore::v1::PipelineResponse& response) {
  const std::scoped_lock lock(mutex_);
  const absl::Status strange = absl::InternalError("the server answered what it was not asked");
  const auto found = find_message(response.id());
  if (found == messages_.end()) return strange;
  const std::vector<std::uint64_t>& numbers = found->numbers;
  if (numbers.size() != static_cast<std::size_t>(response.results_size())) return strange;
  bool progress = false;  // Something found room, so that what did not will, in the end.
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const OperationResult& result = response.results(static_cast<int>(i));
    const Entry* entry = open_entry(numbers[i]);
    if (entry != nullptr && !is_answer_to(entry->kind, result)) return strange;
    progress = progress || !found_no_room(result);
  }
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Entry* entry = open_entry(numbers[i]);
    if (entry == nullptr) continue;  // It was late.
    OperationResult& result = *response.mutable_results(static_cast<int>(i));
    if (found_no_room(result) && !entry->write && progress) {
      --entry->attempts;
      put_back(numbers[i]);
    } else {
      end(*entry, result_of(result));
    }
  }
  messages_.erase(found);
  ++answers_;
  return absl::OkStatus();
}

// ---- Failures ---------------------------------------------------------------------------------------------------

std::optional<PendingOperations::Clock::time_point> PendingOperations::next_deadline() {
  const std::scoped_lock lock(mutex_);
  if (entries_.empty()) return std::nullopt;
  return entries_.front().deadline;
}

bool PendingOperations::is_silent(std::uint64_t message) {
  const auto found = find_message(message);
  return found != messages_.end() && found->answers_before == answers_;
}

bool PendingOperations::expire(Clock::time_point now, const Late& late) {
  const std::scoped_lock lock(mutex_);
  bool silent = false;
  for (Entry& entry : entries_) {
    if (entry.deadline > now) break;
    if (entry.state == State::kEnded) continue;
    if (entry.state == State::kSent) {
      silent = silent || is_silent(entry.message);
      entry.doubt = true;
      fail(entry, late.sent);
    } else {
      const absl::Status trouble = entry.trouble.ok() ? late.unsent : entry.trouble;
      fail(entry, trouble);
    }
  }
  return silent;
}

void PendingOperations::after_break(Entry& entry, std::uint64_t number, const StreamEnd& end) {
  if (entry.state == State::kEnded) return;
  const bool sent = entry.state == State::kSent;
  if (sent) {
    entry.doubt = entry.doubt || end.doubt;
  } else if (sent_something_) {
    return;  // The stream was not for this one.
  } else {
    ++entry.attempts;
  }
  entry.trouble = end.why;
  const bool again = end.again && entry.attempts < options_.call.retry.attempts && (entry.repeatable || !sent);
  if (!again) return fail(entry, end.why);
  if (sent) put_back(number);
}

void PendingOperations::stream_ended(const StreamEnd& end) {
  const std::scoped_lock lock(mutex_);
  for (std::size_t i = 0; i < entries_.size(); ++i) after_break(entries_[i], first_ + i, end);
  messages_.clear();
  sent_something_ = false;
}

void PendingOperations::fail_all(const absl::Status& why) {
  for (Entry& entry : entries_) {
    if (entry.state == State::kEnded) continue;
    entry.doubt = entry.doubt || entry.state == State::kSent;
    fail(entry, why);
  }
  messages_.clear();
  sent_something_ = false;
}

void PendingOperations::end_all(const absl::Status& why) {
  const std::scoped_lock lock(mutex_);
  fail_all(why);
}

void PendingOperations::close(const absl::Status& why) {
  const std::scoped_lock lock(mutex_);
  closed_ = why;
  fail_all(why);
}

// ---- Callbacks --------------------------------------------------------------------------------------------------

std::vector<PendingOperations::Ended> PendingOperations::take_ended(CompletionList& waiters) {
  std::vector<Ended> ended;
  const std::scoped_lock lock(mutex_);
  while (!entries_.empty() && entries_.front().state == State::kEnded) {
    Entry& entry = entries_.front();
    ended.push_back({std::move(entry.done), std::move(entry.result)});
    bytes_ -= entry.size;
    held_bytes_ -= entry.held;
    entries_.pop_front();
    ++first_;
  }
  find_next();
  const bool delivered = std::exchange(delivering_, !ended.empty());
  // Only what ended makes room. Not more than can be let in by their number; who finds no room for its bytes waits
  // again, and would be woken for ever by a call that ends nothing.
  std::size_t in_flight = ended.empty() ? options_.operations_in_flight_max : entries_.size();
  for (; in_flight < options_.operations_in_flight_max; ++in_flight) {
    Completion* waiter = room_waiters_.pop();
    if (waiter == nullptr) break;
    waiters.push(*waiter);
    delivering_ = true;
  }
  if (!ended.empty() || (delivered && !delivering_)) changed_.notify_all();
  return ended;
}

void PendingOperations::deliver() {
  for (;;) {
    CompletionList waiters;
    std::vector<Ended> ended = take_ended(waiters);
    if (ended.empty() && waiters.empty()) return;
    for (Ended& each : ended) each.done(std::move(each.result));
    while (Completion* waiter = waiters.pop()) waiter->complete(true);
  }
}

}  // namespace kv
