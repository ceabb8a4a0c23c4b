// The built server on damaged data: exit codes, the report, the token, --recover-only.
#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/support/file_watch.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

using Catch::Matchers::Contains;

std::unique_ptr<kvstore::KeyValueStore::Stub> stub_of(const RunningServer& server) {
  return kvstore::KeyValueStore::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()));
}

bool set(const RunningServer& server, const std::string& key, const std::string& value) {
  grpc::ClientContext context;
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  google::protobuf::Empty answer;
  return stub_of(server)->Set(&context, request, &answer).ok();
}

std::string get(const RunningServer& server, const std::string& key) {
  grpc::ClientContext context;
  kvstore::GetRequest request;
  request.set_key(key);
  kvstore::GetResponse answer;
  const grpc::Status status = stub_of(server)->Get(&context, request, &answer);
  return status.ok() ? answer.value() : status.error_message();
}

std::string token_in(const std::string& log) {
  const std::string before = "; --accept-data-loss ";
  const std::size_t at = log.rfind(before);
  return at == log.npos ? "" : log.substr(at + before.size(), 16);
}

void flip_a_byte(const std::string& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(200);
  const char flipped = static_cast<char>(file.get() ^ 4);
  file.seekp(200);
  file.put(flipped);
  REQUIRE(file.good());
}

}  // namespace

TEST_CASE("process: --recover-only loads, prints the report, and leaves a clean stop behind") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "AOF"}, {}, {}});
  REQUIRE(set(server, "k", "v"));
  server.kill();
  server.options().flags.emplace_back("--recover-only");
  server.start_only();
  CHECK(server.exit_code() == 0);
  CHECK_THAT(server.log(), Contains("verdict: SERVED, nothing is lost") && Contains("last stop: not clean") &&
                               Contains("loaded: 1 keys, revision 1") && !Contains("serving on"));
  server.options().flags.pop_back();
  server.start();
  CHECK_THAT(server.log(), Contains("after a clean stop"));
  CHECK(get(server, "k") == "v");
}

TEST_CASE("process: damage that nothing makes up for exits 3 with a token, and the token goes on without it") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "SNAPSHOT"}, {}, {}});
  for (const char* value : {"old", "new"}) {
    REQUIRE(set(server, "k", value));
    REQUIRE(server.stop() == 0);  // Takes a snapshot.
    server.start();
  }
  REQUIRE(server.stop() == 0);
  const std::string newest =
      directory.file("data/snapshots/" + names_in(directory.file("data/snapshots"), ".snap").back());
  flip_a_byte(newest);

  server.options().flags = {"--recover-only"};
  server.start_only();
  CHECK(server.exit_code() == 3);
  const std::string token = token_in(server.log());
  CHECK_THAT(server.log(), Contains("verdict: REFUSED") && Contains("token: " + token));

  for (const auto& [wrong, code] : {std::pair("0123456789abcdef", 3), std::pair("yes", 2)}) {
    server.options().flags = {"--accept-data-loss", wrong};
    server.start_only();
    CHECK(server.exit_code() == code);
    CHECK(std::filesystem::exists(newest));
  }
  CHECK(token_in(server.log()).empty());

  server.options().flags = {"--accept-data-loss", token};
  server.start();
  CHECK_THAT(server.log(), Contains("going on without what is damaged, as token " + token));
  CHECK(get(server, "k") == "old");
  CHECK(std::filesystem::exists(newest + ".damaged"));
  CHECK(std::filesystem::exists(directory.file("data/RECOVERY." + token)));
  CHECK(server.stop() == 0);
  server.start();  // The flag was forgotten.
  CHECK_THAT(server.log(), Contains("--accept-data-loss was not needed"));
  CHECK(get(server, "k") == "old");
}

}  // namespace kv
