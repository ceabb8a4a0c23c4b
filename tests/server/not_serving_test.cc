// What kvstore.v1 answers before the data is there and after the stop began: every method, the streams too.
#include <map>
#include <string>

#include <catch2/catch.hpp>
#include <google/protobuf/descriptor.h>

#include "tests/server/pipeline_fixture.h"
#include "tests/server/range_fixture.h"

using namespace kv;
using grpc::StatusCode;

namespace {

void check_refused_everywhere(RangeFixture& f, const std::string& reason, const std::string& text) {
  std::map<std::string, grpc::Status> answers;
  answers["Get"] = f.get("k").status;
  answers["Set"] = f.set("k", "v").status;
  answers["Delete"] = f.remove("k").status;
  answers["Increment"] = f.increment("n", 1).status;
  answers["Append"] = f.append("k", "v").status;
  v1::SetExpiryRequest expiry;
  expiry.set_key("k");
  expiry.mutable_expiry()->set_never(true);
  answers["SetExpiry"] = f.set_expiry(expiry).status;
  v1::MultiGetRequest keys;
  keys.add_keys("k");
  answers["MultiGet"] = f.multi_get(keys).first;
  answers["Scan"] = f.scan().status;
  v1::DeleteRangeRequest range;
  range.mutable_range()->set_prefix("k");
  answers["DeleteRange"] = f.delete_range(range).status;
  v1::TransactRequest transaction;
  transaction.add_then()->mutable_get()->set_key("k");
  answers["Transact"] = f.call(&RangeFixture::Stub::Transact, transaction).status;
  PipelineStream stream(*f.stub);
  (void)stream.send(Message(1).get("k").request);
  CHECK_FALSE(stream.receive());
  answers["Pipeline"] = stream.finish();

  // Whoever adds a method adds it here.
  const auto* service = v1::GetRequest::descriptor()->file()->pool()->FindServiceByName("kvstore.v1.KeyValueService");
  REQUIRE(service != nullptr);
  for (int i = 0; i < service->method_count(); ++i) CHECK(answers.contains(service->method(i)->name()));
  for (const auto& [method, status] : answers) {
    INFO(method);
    check_refused(status, StatusCode::UNAVAILABLE, reason);
    CHECK_THAT(status.error_message(), Catch::Matchers::Contains(text));
  }
}

}  // namespace

TEST_CASE("not serving: while the data is loaded every method of v1 says so, with the progress") {
  RangeFixture f;
  LoadProgress progress;
  progress.bytes_total = 10;
  progress.bytes_done = 4;
  Engine loading(f.store, f.clock, f.engine.limits(), progress);
  KeyValueService service(loading);
  RpcServer server(RpcServerOptions{}, {&service});
  REQUIRE(server.start().ok());
  f.stub =
      v1::KeyValueService::NewStub(grpc::CreateChannel(server.addresses().front(), grpc::InsecureChannelCredentials()));
  check_refused_everywhere(f, "LOADING", "40 %");
  CHECK(f.journal.applied() == 0);
  server.drain(std::chrono::steady_clock::now() + std::chrono::seconds(5));
  server.close();
}

TEST_CASE("not serving: after the stop began every method of v1 says so") {
  RangeFixture f;
  f.engine.stop_serving();
  check_refused_everywhere(f, "SHUTTING_DOWN", "stopping");
  CHECK(f.journal.applied() == 0);
}
