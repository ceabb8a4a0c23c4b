// The built server under fsync ALWAYS while its disk answers no sync: what waits for that, and what goes on.
#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
#include "kvstore/v1/key_value_service.grpc.pb.h"
#include "tests/support/disk_faults.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;

// Far longer than anything takes that goes on: what waits by mistake is an error.
constexpr std::chrono::seconds kPatience{20};

struct Call {
  Call() { context.set_deadline(std::chrono::system_clock::now() + kPatience); }
  grpc::ClientContext* get() { return &context; }
  grpc::ClientContext context;
};

// Of calls from any thread: Catch2 knows one.
void require_ok(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

class SlowDisk {
 public:
  SlowDisk() : server_({directory_.file("data"), {"--mode", "AOF"}, faults_.environment(), {}}) {
    const auto channel = grpc::CreateChannel(server_.address(), grpc::InsecureChannelCredentials());
    keys_ = v1::KeyValueService::NewStub(channel);
    admin_ = v1::AdminService::NewStub(channel);
    old_ = kvstore::KeyValueStore::NewStub(channel);
  }

  void hold() { faults_.begin("sync_hangs"); }
  void wait_until_held() { faults_.wait_until_delivered(); }
  void release() { faults_.end("sync_hangs"); }

  grpc::Status set(const std::string& key, v1::Durability level = v1::DURABILITY_UNSPECIFIED,
                   std::chrono::milliseconds lives = {}) {
    v1::SetRequest request;
    request.set_key(key);
    request.set_value("value");
    request.mutable_options()->set_durability(level);
    if (lives.count() > 0) {
      request.mutable_expiry()->mutable_ttl()->set_nanos(static_cast<int>(lives.count()) * 1'000'000);
    }
    v1::SetResponse response;
    return keys_->Set(Call().get(), request, &response);
  }
  // The value, "" for none.
  std::string get(const std::string& key) {
    v1::GetRequest request;
    request.set_key(key);
    v1::GetResponse response;
    require_ok(keys_->Get(Call().get(), request, &response));
    return response.has_entry() ? response.entry().value() : "";
  }
  std::string old_get(const std::string& key) {
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse response;
    require_ok(old_->Get(Call().get(), request, &response));
    return response.value();
  }
  std::vector<std::string> multi_get(const std::vector<std::string>& keys) {
    v1::MultiGetRequest request;
    for (const std::string& key : keys) request.add_keys(key);
    Call call;
    const auto reader = keys_->MultiGet(call.get(), request);
    std::vector<std::string> values;
    for (v1::MultiGetResponse chunk; reader->Read(&chunk);) {
      for (const v1::GetResponse& result : chunk.results()) values.push_back(result.entry().value());
    }
    require_ok(reader->Finish());
    return values;
  }
  std::vector<std::string> piped(const std::vector<std::string>& keys) {
    v1::PipelineRequest request;
    request.set_id(1);
    for (const std::string& key : keys) request.add_operations()->mutable_get()->set_key(key);
    Call call;
    const auto stream = keys_->Pipeline(call.get());
    stream->Write(request);  // That it failed shows in how the stream ends.
    stream->WritesDone();
    std::vector<std::string> values;
    for (v1::PipelineResponse response; stream->Read(&response);) {
      for (const v1::OperationResult& result : response.results()) values.push_back(result.get().entry().value());
    }
    require_ok(stream->Finish());
    return values;
  }
  // How many keys there are.
  std::size_t scan(v1::ScanConsistency consistency) {
    v1::ScanRequest request;
    request.set_consistency(consistency);
    Call call;
    const auto reader = keys_->Scan(call.get(), request);
    std::size_t count = 0;
    for (v1::ScanResponse chunk; reader->Read(&chunk);) count += static_cast<std::size_t>(chunk.entries_size());
    require_ok(reader->Finish());
    return count;
  }
  std::size_t old_keys() {
    kvstore::KeysResponse response;
    require_ok(old_->Keys(Call().get(), kvstore::KeysRequest(), &response));
    return static_cast<std::size_t>(response.keys_size());
  }
  v1::GetStatusResponse status() {
    v1::GetStatusResponse response;
    require_ok(admin_->GetStatus(Call().get(), v1::GetStatusRequest(), &response));
    return response;
  }
  void get_config() {
    v1::GetConfigResponse response;
    require_ok(admin_->GetConfig(Call().get(), v1::GetConfigRequest(), &response));
  }

 private:
  TempDirectory directory_;
  DiskFaults faults_;
  RunningServer server_;
  std::unique_ptr<v1::KeyValueService::Stub> keys_;
  std::unique_ptr<v1::AdminService::Stub> admin_;
  std::unique_ptr<kvstore::KeyValueStore::Stub> old_;
};

template <class Result>
bool waits(const std::future<Result>& call) {
  return call.wait_for(std::chrono::seconds(0)) == std::future_status::timeout;
}

template <class Work>
auto meanwhile(Work work) {
  return std::async(std::launch::async, work);
}

// What the writes that wait have not changed.
void check_goes_on(SlowDisk& disk) {
  using Values = std::vector<std::string>;
  REQUIRE(disk.get("old") == "value");
  REQUIRE(disk.old_get("old") == "value");
  REQUIRE(disk.multi_get({"old", "other"}) == Values{"value", "value"});
  REQUIRE(disk.piped({"old", "other"}) == Values{"value", "value"});
  REQUIRE(disk.status().disk_revision() < disk.status().revision());
  disk.get_config();
  // Who asks for no more than memory gets no more, and at once.
  REQUIRE(disk.set("light", v1::DURABILITY_MEMORY).ok());
}

// Everything that waits is begun, and has not ended when `holds` has returned; all of it is well when the disk is.
template <class Holds>
void hold_while(SlowDisk& disk, Holds holds) {
  require_ok(disk.set("old"));
  require_ok(disk.set("other"));
  disk.hold();
  auto write = meanwhile([&] { return disk.set("changed"); });
  disk.wait_until_held();
  auto next = meanwhile([&] { return disk.set("queued"); });
  auto read = meanwhile([&] { return disk.get("changed"); });
  // They tell of every key, and so of the one that is written.
  auto snapshot = meanwhile([&] { return disk.scan(v1::SCAN_CONSISTENCY_SNAPSHOT); });
  auto relaxed = meanwhile([&] { return disk.scan(v1::SCAN_CONSISTENCY_RELAXED); });
  auto old_keys = meanwhile([&] { return disk.old_keys(); });
  holds();
  CHECK((waits(write) && waits(next)));
  CHECK(waits(read));
  CHECK((waits(snapshot) && waits(relaxed) && waits(old_keys)));
  disk.release();
  CHECK(write.get().ok());
  CHECK(next.get().ok());
  CHECK(read.get() == "value");
  CHECK(snapshot.get() >= 3);
  CHECK(relaxed.get() >= 3);
  CHECK(old_keys.get() >= 3);
  CHECK(disk.get("queued") == "value");
}

}  // namespace

TEST_CASE("slow disk: while no sync ends, writes wait and what tells of them, and nothing else does") {
  SlowDisk disk;
  hold_while(disk, [&] {
    for (int i = 0; i < 50; ++i) check_goes_on(disk);
  });
}

TEST_CASE("slow disk: ten seconds of it are an alarm, not an error, and reads go on all the while") {
  SlowDisk disk;
  const auto begun = std::chrono::steady_clock::now();
  hold_while(disk, [&] {
    bool told = false;
    std::chrono::steady_clock::duration slowest{};
    while (std::chrono::steady_clock::now() - begun < std::chrono::seconds(10)) {
      const auto asked = std::chrono::steady_clock::now();
      REQUIRE(disk.get("old") == "value");
      slowest = std::max(slowest, std::chrono::steady_clock::now() - asked);
      const v1::GetStatusResponse status = disk.status();
      for (const std::string& alarm : status.alarms()) told = told || alarm == "DISK_STALLED";
    }
    check_goes_on(disk);
    CHECK(told);
    // A machine that does other things takes a moment; the disk would have taken all of ten seconds.
    CHECK(slowest < std::chrono::seconds(5));
  });
  CHECK(disk.status().alarms().empty());
}

// Its removal is a write like any other: whoever asks behind that waits for it, and is not told of the value meanwhile.
TEST_CASE("slow disk: a key whose time comes meanwhile is never shown again, and is gone when the disk answers") {
  SlowDisk disk;
  require_ok(disk.set("short", v1::DURABILITY_UNSPECIFIED, std::chrono::milliseconds(400)));
  std::future<bool> gone;
  hold_while(disk, [&] {
    gone = meanwhile([&] {
      while (disk.get("short") == "value") continue;
      return disk.get("short").empty();
    });
    for (int i = 0; i < 10; ++i) check_goes_on(disk);
  });
  CHECK(gone.get());
}

}  // namespace kv
