#include "rpc/message_stream.h"

#include <utility>

#include "core/error.h"
#include "core/poll_loop.h"
#include "rpc/overload.h"
#include "rpc/status.h"
#include "rpc/unpacked_message.h"

namespace kv {
namespace {

absl::Status shutting_down() { return error(Reason::kShuttingDown, "the server is stopping"); }

}  // namespace

// ---- Reading

bool MessageStream::Read::await_suspend(std::coroutine_handle<> waiter) {
  waiter_ = waiter;
  // The one before goes now, not when the next one is there, and its buffer last (rpc/message.h).
  message_ = WireMessage();
  stream_.bytes_.Clear();
  {
    const std::lock_guard lock(stream_.mutex_);
    stream_.held_.give_back(std::exchange(stream_.message_bytes_, 0));
    if (stream_.stopping() || stream_.ending_ || stream_.broken_) return false;
    stream_.waiting_ = this;
    stream_.reader_ = stream_.has_room() ? Reader::kReading : Reader::kWantsRoom;
    if (stream_.reader_ == Reader::kWantsRoom) return true;
  }
  start();
  return true;
}

void MessageStream::Read::start() noexcept { stream_.stream_.Read(&stream_.bytes_, static_cast<Completion*>(this)); }

void MessageStream::Read::complete(bool ok) noexcept {
  ok_ = ok;
  waiter_.resume();
}

bool MessageStream::Read::await_resume() {
  absl::Status acceptable;
  if (ok_) acceptable = stream_.unpack_message();
  {
    const std::lock_guard lock(stream_.mutex_);
    stream_.reader_ = Reader::kWorking;
    stream_.waiting_ = nullptr;
    if (stream_.stopping() || stream_.ending_ || stream_.broken_ || stream_.status_sent_) return false;
    stream_.peer_done_ = !ok_;
    if (!acceptable.ok()) {
      stream_.refused_ = std::move(acceptable);
      stream_.bytes_.Clear();  // It is not counted, and the stream may have answers to flush yet.
      return false;
    }
    if (ok_) stream_.count_message();
  }
  return ok_ && parse(stream_.bytes_, message_);
}

absl::Status MessageStream::unpack_message() noexcept {
  if (reactor_.bytes().full()) return bytes_overloaded(reactor_.bytes().bytes_max());
  return unpack(bytes_, reactor_.message_bytes_max());
}

void MessageStream::count_message() noexcept {
  message_bytes_ = bytes_.Length();
  held_.add(message_bytes_);
}

void MessageStream::hold_read(std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  message_bytes_ += bytes;
  held_.add(bytes);
}

void MessageStream::queue_bytes(std::size_t bytes) noexcept {
  queued_bytes_ += bytes;
  held_.add(bytes);
}

void MessageStream::unqueue_bytes(std::size_t bytes) noexcept {
  queued_bytes_ -= bytes;
  held_.give_back(bytes);
}

// ---- Answering

void MessageStream::promise() noexcept {
  const std::lock_guard lock(mutex_);
  ++promised_;
}

void MessageStream::hold(std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  queue_bytes(bytes);
}

void MessageStream::send(grpc::ByteBuffer answer, std::size_t held_bytes) noexcept {
  Todo todo;
  bool first = false;
  {
    const std::lock_guard lock(mutex_);
    unqueue_bytes(held_bytes);
    if (broken_) {
      --promised_;
    } else {
      queue_bytes(answer.Length());
      queue_.push_back(std::move(answer));
      first = !writing_ && !std::exchange(flush_due_, true);
    }
    todo = next_steps();
  }
  carry_out(todo);
  if (first && !PollLoop::defer(flush_)) flush();
}

void MessageStream::flush() noexcept {
  Todo todo;
  {
    const std::lock_guard lock(mutex_);
    flush_due_ = false;
    todo = next_steps();
  }
  carry_out(todo);
}

void MessageStream::drop(std::size_t held_bytes) noexcept {
  Todo todo;
  {
    const std::lock_guard lock(mutex_);
    unqueue_bytes(held_bytes);
    --promised_;
    todo = next_steps();
  }
  carry_out(todo);
}

void MessageStream::written(bool ok) noexcept {
  Todo todo;
  {
    const std::lock_guard lock(mutex_);
    writing_ = sending_ = false;
    --promised_;
    unqueue_bytes(queue_.front().Length());
    queue_.pop_front();
    if (!ok) {
      broken_ = true;
      clear_queue();
    }
    todo = next_steps();
  }
  carry_out(todo);
}

void MessageStream::clear_queue() noexcept {
  promised_ -= queue_.size();
  for (const grpc::ByteBuffer& answer : queue_) unqueue_bytes(answer.Length());
  queue_.clear();
}

// ---- The end

void MessageStream::end() noexcept {
  Todo todo;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(ending_, true)) return;
    if (!status_sent_) status_ = shutting_down();  // Else it is being read, without the lock.
    todo = next_steps();
  }
  carry_out(todo);
}

void MessageStream::Finish::await_suspend(std::coroutine_handle<> waiter) {
  Todo todo;
  {
    const std::lock_guard lock(stream.mutex_);
    stream.resume_at_end(waiter);
    stream.reader_ = Reader::kGone;
    const bool cut_short = stream.stopping() && status.ok() && !stream.peer_done_;
    if (!stream.status_sent_) stream.status_ = cut_short ? shutting_down() : std::move(status);
    todo = stream.next_steps();
  }
  MessageStream& all = stream;  // this object lies in the coroutine, which goes with the last event
  all.carry_out(todo);
  all.arrive();
}

MessageStream::Todo MessageStream::next_steps() noexcept {
  Todo todo;
  if (!writing_ && !flush_due_ && !queue_.empty()) {
    todo.write = writing_ = sending_ = true;
    // Not the first: it carries the initial metadata, which the library would keep with it, and never call it written.
    todo.more_follows = std::exchange(begun_, true) && queue_.size() > 1;
  }
  if (reader_ == Reader::kWantsRoom) {
    if (ending_ || broken_) {
      todo.resume = std::exchange(waiting_, nullptr);
      reader_ = Reader::kWorking;
    } else if (has_room()) {
      todo.read = waiting_;
      reader_ = Reader::kReading;
    }
  }
  const bool nobody_works = reader_ == Reader::kGone || (reader_ == Reader::kReading && ending_);
  if (nobody_works && promised_ == 0 && !status_sent_) todo.send_status = status_sent_ = true;
  return todo;
}

void MessageStream::carry_out(Todo todo) noexcept {
  if (todo.write) {
    grpc::WriteOptions options;
    if (todo.more_follows) options.set_buffer_hint();
    stream_.Write(queue_.front(), options, static_cast<Completion*>(&written_));
  }
  if (todo.read != nullptr) todo.read->start();
  if (todo.send_status) stream_.Finish(to_grpc(status_), static_cast<Completion*>(&sent()));
  if (todo.resume != nullptr) reactor_.post(*todo.resume);
}

}  // namespace kv
