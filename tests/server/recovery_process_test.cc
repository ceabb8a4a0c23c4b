// The built server on damaged data: exit codes, the report, the token, --recover-only.
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <span>

#include <catch2/catch.hpp>
#include <grpcpp/grpcpp.h>

#include "core/checksum.h"
#include "kvstore/kvstore.grpc.pb.h"
#include "kvstore/v1/admin_service.grpc.pb.h"
#include "persistence/format/log_format.h"
#include "persistence/format/manifest_format.h"
#include "persistence/format/snapshot_format.h"
#include "persistence/manifest.h"
#include "tests/support/file_watch.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

namespace v1 = kvstore::v1;
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

bool take_snapshot(const RunningServer& server) {
  grpc::ClientContext context;
  v1::CreateSnapshotRequest request;
  request.set_wait(true);
  v1::CreateSnapshotResponse answer;
  return v1::AdminService::NewStub(grpc::CreateChannel(server.address(), grpc::InsecureChannelCredentials()))
      ->CreateSnapshot(&context, request, &answer)
      .ok();
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

std::string contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_contents(const std::filesystem::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  REQUIRE(file.good());
}
// All but LOCK, which says who has the directory.
std::map<std::string, std::string> files_below(const std::filesystem::path& directory) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file() && entry.path().filename() != "LOCK")
      files[entry.path().string()] = contents(entry.path());
  }
  return files;
}

// The same file, whole, as a later version would write it: the number of its format is 2, and its checksum right.
std::string of_next_format(const std::filesystem::path& path, std::string text) {
  if (path.filename() == "MANIFEST") {
    std::string body = text.substr(0, text.size() - kManifestChecksumLineBytes);
    const std::string from = "\"format\": 1";
    body.replace(body.find(from), from.size(), "\"format\": 2");
    return body + std::string(kManifestChecksumWord) + manifest_checksum(body) + "\n";
  }
  const auto bytes = std::as_writable_bytes(std::span(text));
  if (path.extension() == ".snap") {
    bytes[8] = std::byte{2};
    const auto header = bytes.first(snapshot_format::kFileHeaderBytes - 8);
    const std::uint64_t sum = checksum64(header, 0);
    std::memcpy(bytes.data() + header.size(), &sum, sizeof sum);
    return text;
  }
  SegmentIdentity identity;
  REQUIRE(decode(bytes.first<kIdentityBytes>(), identity));
  identity.version = 2;
  encode(identity, bytes.first<kIdentityBytes>());
  return text;
}

}  // namespace

TEST_CASE("process: a file of a later format ends the start with both numbers, and nothing is changed") {
  TempDirectory directory;
  const std::filesystem::path data = directory.file("data");
  RunningServer server({data, {"--mode", "HYBRID"}, {}, {}});
  REQUIRE(set(server, "k", "in a snapshot"));
  REQUIRE(take_snapshot(server));
  REQUIRE(set(server, "k", "x"));
  server.kill();
  const std::string newest = names_in((data / "snapshots").string(), ".snap").back();
  const std::string oldest = names_in((data / "aof").string(), ".aof").front();  // one that has records
  for (const std::filesystem::path& path : {data / "MANIFEST", data / "snapshots" / newest, data / "aof" / oldest}) {
    INFO(path);
    const std::string whole = contents(path);
    write_contents(path, of_next_format(path, whole));
    const auto before = files_below(data);
    CHECK(server.start_that_ends() == 3);
    CHECK_THAT(server.log(), Contains("written in format 2, and this version reads format 1") && !Contains("token:"));
    CHECK(files_below(data) == before);
    write_contents(path, whole);
  }
  server.start();
  CHECK(get(server, "k") == "x");
}

TEST_CASE("process: --recover-only loads, prints the report, and leaves a clean stop behind") {
  TempDirectory directory;
  RunningServer server({directory.file("data"), {"--mode", "AOF"}, {}, {}});
  REQUIRE(set(server, "k", "v"));
  server.kill();
  server.options().flags.emplace_back("--recover-only");
  CHECK(server.start_that_ends() == 0);
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
  CHECK(server.start_that_ends() == 3);
  const std::string token = token_in(server.log());
  CHECK_THAT(server.log(), Contains("verdict: REFUSED") && Contains("token: " + token));

  for (const auto& [wrong, code] : {std::pair("0123456789abcdef", 3), std::pair("yes", 2)}) {
    server.options().flags = {"--accept-data-loss", wrong};
    CHECK(server.start_that_ends() == code);
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
