// A server in a state that no flag and no call brings about: inner_server STATE [ANYTHING...].
//
//   loading     the data is being loaded, 40 % are done
//   stopping    the stop has begun, connections still stand
//   structures  "h" holds a hash, which no call of this version can make
//   buggy       an old Config meets a bug of the server
//   replacing   2000 keys of 4000 bytes each are written again and again, and a scan may keep 1000 bytes of what was
//
// What serves are the server's own services over its own engine, store and journal; the state alone is made here. It
// says where it listens as the server does, and ends when SIGTERM says so.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <grpcpp/grpcpp.h>

#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "persistence/journal.h"
#include "rpc/server.h"
#include "server/engine.h"
#include "server/event_thread.h"
#include "server/key_value_service.h"
#include "server/legacy_service.h"
#include "tests/server/stand_ins.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

JournalOptions no_log() {
  JournalOptions options;
  options.queue_bytes = 16 << 20;
  return options;
}

Limits limits_of(const std::string& state) {
  Limits limits;
  if (state == "replacing") limits.scan_budget_bytes = 1000;
  return limits;
}

class InnerServer {
 public:
  explicit InnerServer(const std::string& state) : engine_(store_, clock_, limits_of(state), progress_) {
    progress_.bytes_total = 10;
    progress_.bytes_done = 4;
    journal_.start(0, 1'000'000);
    journal_.resume();
    engine_.attach(journal_);
    if (state != "loading") engine_.start_serving();
    if (state == "stopping") engine_.stop_serving();
    if (state == "structures") make_structure();
    if (state == "buggy") storage_.on_change = [](auto) { throw std::logic_error("a bug, made on purpose"); };
    old_service_.start_serving(storage_);
    if (const absl::Status started = server_.start(); !started.ok()) throw std::runtime_error(started.ToString());
    if (state == "replacing") start_replacing();
  }
  ~InnerServer() {
    stopping_ = true;
    if (writer_.joinable()) writer_.join();
    server_.drain(std::chrono::steady_clock::now() + std::chrono::seconds(5), [this] { journal_.abandon_waiters(); });
    server_.close();
    (void)journal_.stop();  // There is no log.
  }

  std::string address() const { return server_.addresses().front(); }

 private:
  void make_structure() {
    WriteLock shard = store_.write(HashedKey("h"));
    shard.publish(shard.prepare_put(HashedKey("h"), HashedValue("inside"), ValueType::kHash, kNoExpiry), 1);
  }
  void start_replacing() {
    stub_ = v1::KeyValueService::NewStub(grpc::CreateChannel(address(), grpc::InsecureChannelCredentials()));
    for (int i = 0; i < kKeys; ++i) put(i);
    writer_ = std::thread([this] {
      for (int i = 0; !stopping_; i = (i + 1) % kKeys) put(i);
    });
  }
  void put(int number) {
    grpc::ClientContext context;
    v1::SetRequest request;
    request.set_key("key " + std::to_string(number));
    request.set_value(std::string(4000, 'v'));
    v1::SetResponse response;
    const grpc::Status written = stub_->Set(&context, request, &response);
    if (!written.ok()) throw std::runtime_error(written.error_message());
  }

  static constexpr int kKeys = 2000;
  SystemClock clock_;
  EasyKeeper keeper_;
  Store store_{{.shard_count = 8}};
  LoadProgress progress_;
  Journal journal_{posix_file_system(), clock_, keeper_, no_log()};
  ObedientStorage storage_{journal_};
  Engine engine_;
  EventThread events_;
  KeyValueService service_{engine_};
  LegacyService old_service_{engine_, events_, true};
  RpcServer server_{RpcServerOptions{}, {&service_, &old_service_}};
  std::unique_ptr<v1::KeyValueService::Stub> stub_;
  std::atomic<bool> stopping_{false};
  std::thread writer_;
};

}  // namespace
}  // namespace kv

int main(int argc, char** argv) {
  const std::string state = argc > 1 ? argv[1] : "";
  if (state != "loading" && state != "stopping" && state != "structures" && state != "buggy" && state != "replacing") {
    std::fprintf(stderr, "inner_server: no state '%s'\n", state.c_str());
    return 2;
  }
  // Before there are threads: all of them inherit it.
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  const kv::InnerServer server(state);
  std::printf("serving on %s\n", server.address().c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}
