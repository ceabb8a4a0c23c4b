// Operations in messages of a Pipeline stream, one stream a connection.
//
// Hard part: a client that costs little. Messages are written and read by hand (core/wire.h), and of an answer only
// what the load wants to know is looked at.
//
// Threads, lifetime, errors: bench/caller.h.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "bench/caller.h"
#include "bench/pipeline_stream.h"
#include "client/client_queue.h"
#include "client/endpoint.h"

namespace kv {

class PipelineCaller final : public Caller {
 public:
  PipelineCaller(const CallerOptions& options, const Filler& filler);
  ~PipelineCaller() override;

  void begin(std::unique_ptr<Shot> shot, ShotSink& sink) override;
  void tend() override;

 private:
  grpc::ByteBuffer message_of(const Shot& shot, std::uint64_t id) const;

  const CallerOptions options_;
  const Filler& filler_;
  std::atomic<std::uint64_t> last_id_{0};
  ClientQueue queue_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::vector<std::unique_ptr<PipelineLane>> lanes_;
};

// The id of a message that is an answer; 0: it has none.
std::uint64_t id_of_answer(std::string_view message);
// The answers of a message, by hand. False: it is not what a server answers to these operations.
bool read_answers(std::string_view message, bool verify, Shot& shot);

}  // namespace kv
