#include "bench/pipeline_stream.h"

#include <utility>

#include <fmt/format.h>

#include "bench/pipeline_caller.h"
#include "client/peer_status.h"
#include "core/absl_text.h"
#include "core/poll_loop.h"
#include "rpc/message.h"

namespace kv {
namespace {

constexpr char kMethod[] = "/kvstore.v1.KeyValueService/Pipeline";

}  // namespace

void PipelineLane::send(std::uint64_t id, const grpc::ByteBuffer& message, std::unique_ptr<Shot> shot, ShotSink& sink) {
  StreamPtr begin;
  StreamPtr write;
  {
    const std::scoped_lock lock(mutex_);
    const auto now = LoadClock::now();
    if (!stream_ || stream_->ended) {
      stream_ = std::make_shared<Stream>();
      stream_->stub = std::make_unique<grpc::GenericStub>(endpoint_.channel());
      stream_->call = stream_->stub->PrepareCall(&stream_->context, kMethod, endpoint_.queue().queue());
      stream_->last_sign = now;
      ++coroutines_;
      begin = stream_;
    }
    if (stream_->under_way.empty() && stream_->waiting.empty()) stream_->last_sign = now;
    stream_->waiting.push_back({id, message, std::move(shot), &sink});
    if (!begin && !std::exchange(stream_->writing, true)) {
      ++coroutines_;
      write = stream_;
    }
  }
  if (begin) run(std::move(begin));
  if (write) start_writing(std::move(write));
}

void PipelineLane::start_writing(StreamPtr stream) {
  Start& start = stream->start;
  start.lane = this;
  start.stream = std::move(stream);
  if (!PollLoop::defer(start)) start.complete(true);
}

void PipelineLane::tend() {
  const std::scoped_lock lock(mutex_);
  if (!stream_ || stream_->ended || (stream_->under_way.empty() && stream_->waiting.empty())) return;
  if (LoadClock::now() - stream_->last_sign <= deadline_) return;
  stream_->silent = true;
  stream_->context.TryCancel();  // It ends soon, and takes what was sent on it with it.
}

bool PipelineLane::next_to_write(Stream& stream, grpc::ByteBuffer& message, grpc::WriteOptions& options) {
  const std::scoped_lock lock(mutex_);
  if (stream.ended || stream.waiting.empty()) {
    stream.writing = false;
    return false;
  }
  message = stream.waiting.front().message;
  const std::uint64_t id = stream.waiting.front().id;
  stream.under_way.emplace(id, std::move(stream.waiting.front()));
  stream.waiting.pop_front();
  if (stream.waiting.empty()) {
    options.clear_buffer_hint();
  } else {
    options.set_buffer_hint();
  }
  return true;
}

Detached PipelineLane::write_all(StreamPtr stream) {
  grpc::ByteBuffer message;
  grpc::WriteOptions options;
  for (;;) {
    if (!next_to_write(*stream, message, options)) break;
    const bool written = co_await OnCompletion([&](Completion& done) { stream->call->Write(message, options, &done); });
    if (!written) break;  // The reader sees the end too, and says why. `writing` stays: nobody writes any more.
  }
  stream.reset();
  writer_ended();
}

void PipelineLane::writer_ended() {
  const std::scoped_lock lock(mutex_);
  --coroutines_;
  ended_.notify_all();
}

void PipelineLane::take(Stream& stream, grpc::ByteBuffer& bytes) {
  WireMessage message;
  const bool readable = parse(bytes, message);
  Sent answered;
  {
    const std::scoped_lock lock(mutex_);
    const auto found = stream.under_way.find(readable ? id_of_answer(message.bytes()) : 0);
    if (found == stream.under_way.end()) {
      stream.context.TryCancel();  // An answer to nothing: whose others are missing nobody knows.
      return;
    }
    answered = std::move(found->second);
    stream.under_way.erase(found);
    stream.last_sign = LoadClock::now();
  }
  if (!read_answers(message.bytes(), verify_, *answered.shot)) {
    answered.shot->fail(absl::InternalError("an answer of the pipeline is not what was asked for"));
  }
  answered.sink->answered(std::move(answered.shot));
}

void PipelineLane::fail_all(Stream& stream, const absl::Status& status) {
  std::unordered_map<std::uint64_t, Sent> left;
  std::deque<Sent> waiting;
  {
    const std::scoped_lock lock(mutex_);
    stream.ended = true;
    left.swap(stream.under_way);
    waiting.swap(stream.waiting);
  }
  for (auto& [id, sent] : left) waiting.push_back(std::move(sent));
  for (Sent& sent : waiting) {
    sent.shot->fail(status);
    sent.sink->answered(std::move(sent.shot));
  }
}

Detached PipelineLane::run(StreamPtr stream) {
  const bool started = co_await OnCompletion([&](Completion& done) { stream->call->StartCall(&done); });
  if (started) {
    {
      const std::scoped_lock lock(mutex_);
      ++coroutines_;
    }
    write_all(stream);
    grpc::ByteBuffer bytes;
    for (;;) {
      const bool read = co_await OnCompletion([&](Completion& done) { stream->call->Read(&bytes, &done); });
      if (!read) break;
      take(*stream, bytes);
    }
  }
  grpc::Status status;
  co_await OnCompletion([&](Completion& done) { stream->call->Finish(&status, &done); });
  absl::Status end = status_of_peer(status);
  if (stream->silent) end = absl::DeadlineExceededError("no answer within the deadline");
  if (end.ok()) end = absl::UnavailableError("the server ended the stream");
  fail_all(*stream, end);
  stream.reset();
  writer_ended();
}

void PipelineLane::close() {
  std::unique_lock lock(mutex_);
  if (stream_) stream_->context.TryCancel();
  ended_.wait(lock, [this] { return coroutines_ == 0; });
  stream_.reset();
}

}  // namespace kv
