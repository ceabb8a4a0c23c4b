#include "bench/pipeline_load.h"

#include <memory>
#include <random>
#include <vector>

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <unistd.h>

#include "bench/process_cpu.h"
#include "core/absl_text.h"
#include "core/wire.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "rpc/message.h"

namespace kv {
namespace {

using Clock = std::chrono::steady_clock;

constexpr char kMethod[] = "/kvstore.v1.KeyValueService/Pipeline";
constexpr auto kConnectTimeout = std::chrono::seconds(5);
constexpr std::uint64_t kCheckEvery = 997;  // answers

enum class Kind { kGet = 1, kSet = 2 };

std::string key_of(int number) { return fmt::format("key:{:012}", number); }

// Writes messages of so many operations, whole.
class Encoder {
 public:
  Encoder(int operations, std::size_t value_bytes)
      : operations_(operations),
        value_(value_bytes, 'v'),
        room_(static_cast<std::size_t>(operations) * (value_bytes + 64) + 64, '\0') {}

  template <class Next>
  grpc::ByteBuffer message(Next next) {
    WireWriter writer(room_.data() + room_.size(), room_.size());
    for (int i = 0; i < operations_; ++i) {
      const auto [kind, number] = next();
      const std::size_t mark = writer.size();
      if (kind == Kind::kSet) writer.text(2, value_);
      writer.text(1, key_of(number));
      writer.enclose(static_cast<std::uint32_t>(kind), mark);
      writer.enclose(2, mark);
    }
    writer.number(1, 1);
    const grpc::Slice slice(writer.written().data(), writer.size());
    return grpc::ByteBuffer(&slice, 1);
  }

 private:
  const int operations_;
  const std::string value_;
  std::string room_;
};

struct Operation {
  Kind kind;
  int key;
};

// One stream; reads and writes overlap.
class Stream {
 public:
  struct Event {
    Stream* stream;
    bool read;
  };

  Stream(const PipelineLoadOptions& options, grpc::CompletionQueue& queue) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(options.target, grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
    call_ = stub_->PrepareCall(&context_, kMethod, &queue);
  }
  bool connected() const { return channel_->WaitForConnected(std::chrono::system_clock::now() + kConnectTimeout); }
  void start(void* tag) { call_->StartCall(tag); }
  void write(const grpc::ByteBuffer& message) { call_->Write(message, &written_); }
  void read() { call_->Read(&answer_, &read_); }
  void cancel() { context_.TryCancel(); }
  grpc::ByteBuffer& answer() { return answer_; }

  int to_send = 0;  // messages that may be written now
  bool writing = false;
  bool reading = false;
  bool broken = false;

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer answer_;
  Event written_{this, false};
  Event read_{this, true};
};

class Loop {
 public:
  explicit Loop(const PipelineLoadOptions& options) : options_(options) {}
  ~Loop() {
    for (const auto& stream : streams_) stream->cancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  absl::Status connect() {
    for (int i = 0; i < options_.streams; ++i) {
      streams_.push_back(std::make_unique<Stream>(options_, queue_));
      if (!streams_.back()->connected())
        return absl::UnavailableError(to_absl(fmt::format("cannot reach {}", options_.target)));
      streams_.back()->start(nullptr);
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      if (!ok) return absl::UnavailableError("the stream was refused");
    }
    return absl::OkStatus();
  }

  // Sends messages that `next` gives until it gives none, and waits for their answers. Counts the answers.
  template <class Next>
  absl::Status run(Next next, std::uint64_t& answers) {
    int under_way = 0;
    bool more = true;
    const auto fill = [&](Stream& stream) {
      if (stream.writing || stream.to_send == 0 || !more) return;
      const grpc::ByteBuffer* message = next();
      more = message != nullptr;
      if (!more) return;
      --stream.to_send;
      ++under_way;
      stream.writing = true;
      stream.write(*message);
      if (!std::exchange(stream.reading, true)) stream.read();
    };
    for (const auto& stream : streams_) {
      stream->to_send = options_.depth;
      fill(*stream);
    }
    while (under_way > 0) {
      void* tag = nullptr;
      bool ok = false;
      queue_.Next(&tag, &ok);
      auto& event = *static_cast<Stream::Event*>(tag);
      Stream& stream = *event.stream;
      if (!ok) return absl::UnavailableError("the stream has ended");
      if (!event.read) {
        stream.writing = false;
      } else {
        --under_way;
        ++stream.to_send;
        if (++answers % kCheckEvery == 0) {
          if (absl::Status good = check(stream.answer()); !good.ok()) return good;
        }
        // While anything is under way on any stream a read may be pending on this one: it is answered first.
        stream.read();
      }
      fill(stream);
    }
    return absl::OkStatus();
  }
  std::uint64_t checked() const { return checked_; }

 private:
  absl::Status check(grpc::ByteBuffer& bytes) {
    kvstore::v1::PipelineResponse response;
    if (!parse(bytes, response)) return absl::InternalError("an answer does not parse");
    if (response.results_size() != options_.operations && options_.operations != 0)
      return absl::InternalError("an answer has another number of results");
    for (const auto& result : response.results()) {
      if (result.has_error()) return absl::InternalError(to_absl(result.error().message()));
    }
    ++checked_;
    return absl::OkStatus();
  }

  const PipelineLoadOptions& options_;
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<Stream>> streams_;
  std::uint64_t checked_ = 0;
};

std::vector<grpc::ByteBuffer> filling(const PipelineLoadOptions& options) {
  Encoder encoder(options.operations, options.value_bytes);
  std::vector<grpc::ByteBuffer> messages;
  int number = 0;
  while (number < options.keys) {
    messages.push_back(encoder.message([&] { return Operation{Kind::kSet, number++ % options.keys}; }));
  }
  return messages;
}

// About as many operations as there are keys, at random.
std::vector<grpc::ByteBuffer> mixing(const PipelineLoadOptions& options) {
  std::mt19937 random(1);
  Encoder encoder(options.operations, options.value_bytes);
  std::vector<grpc::ByteBuffer> messages;
  const std::size_t count = static_cast<std::size_t>(options.keys / options.operations) + 1;
  while (messages.size() < count) {
    messages.push_back(encoder.message([&] {
      const bool reads = static_cast<int>(random() % 100) < options.read_percent;
      return Operation{reads ? Kind::kGet : Kind::kSet,
                       static_cast<int>(random() % static_cast<unsigned>(options.keys))};
    }));
  }
  return messages;
}

absl::StatusOr<std::chrono::microseconds> cpu_of(const PipelineLoadOptions& options) {
  if (!options.server_process) return std::chrono::microseconds{};
  return process_cpu(*options.server_process);
}

}  // namespace

absl::StatusOr<PipelineLoadResult> run_pipeline_load(const PipelineLoadOptions& options) {
  Loop loop(options);
  if (absl::Status connected = loop.connect(); !connected.ok()) return connected;
  std::uint64_t ignored = 0;
  {
    const std::vector<grpc::ByteBuffer> messages = filling(options);
    std::size_t at = 0;
    const auto next = [&] { return at < messages.size() ? &messages[at++] : nullptr; };
    if (absl::Status filled = loop.run(next, ignored); !filled.ok()) return filled;
  }
  const std::vector<grpc::ByteBuffer> messages = mixing(options);
  std::size_t at = 0;
  const auto until = [&](Clock::time_point end) {
    return [&, end]() -> const grpc::ByteBuffer* {
      return Clock::now() < end ? &messages[at++ % messages.size()] : nullptr;
    };
  };
  if (absl::Status warm = loop.run(until(Clock::now() + options.warm_up), ignored); !warm.ok()) return warm;

  PipelineLoadResult result;
  std::uint64_t answers = 0;
  const auto server_before = cpu_of(options);
  const auto client_before = process_cpu(getpid());
  const Clock::time_point begin = Clock::now();
  if (absl::Status ran = loop.run(until(begin + options.duration), answers); !ran.ok()) return ran;
  result.took = Clock::now() - begin;
  const auto server_after = cpu_of(options);
  const auto client_after = process_cpu(getpid());
  for (const auto& figure : {server_before, client_before, server_after, client_after}) {
    if (!figure.ok()) return figure.status();
  }
  result.operations = answers * static_cast<std::uint64_t>(options.operations);
  result.checked = loop.checked();
  result.client_cpu = *client_after - *client_before;
  if (options.server_process) result.server_cpu = *server_after - *server_before;
  return result;
}

}  // namespace kv
