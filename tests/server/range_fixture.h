// Scan, MultiGet and DeleteRange through the generated stubs, and what they brought.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/server/key_value_fixture.h"

namespace kv {

// One scan, read to its end or as far as a test wants.
struct Scanned {
  grpc::Status status;
  std::vector<v1::ScanResponse> chunks;
  std::map<std::string, v1::Entry> entries;
  std::size_t shown = 0;  // more than entries when a key came twice

  bool ok() const { return status.ok(); }
  std::string reason() const { return status.error_message().substr(0, status.error_message().find(':')); }
  void take(const v1::ScanResponse& chunk) {
    chunks.push_back(chunk);
    for (const v1::Entry& entry : chunk.entries()) {
      ++shown;
      entries[entry.key()] = entry;
    }
  }
  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    for (const auto& [key, entry] : entries) keys.push_back(key);
    return keys;
  }
  const std::string& token() const { return chunks.back().resume_token(); }
};

// One stream that a test reads when it likes.
template <class Response>
struct OpenStream {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<Response>> reader;

  Scanned read_all() {
    Scanned scanned;
    Response chunk;
    while (reader->Read(&chunk)) scanned.take(chunk);
    scanned.status = reader->Finish();
    return scanned;
  }
};

inline Operation operation_of(OperationKind kind, std::string_view key, std::string_view value = {}) {
  Operation operation;
  operation.kind = kind;
  operation.key = key;
  operation.value = value;
  return operation;
}

struct RangeFixture : KeyValueFixture {
  using KeyValueFixture::KeyValueFixture;

  std::unique_ptr<OpenStream<v1::ScanResponse>> open_scan(const v1::ScanRequest& request) {
    auto stream = std::make_unique<OpenStream<v1::ScanResponse>>();
    stream->context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    stream->reader = stub->Scan(&stream->context, request);
    return stream;
  }
  Scanned scan(const v1::ScanRequest& request = {}) { return open_scan(request)->read_all(); }

  std::pair<grpc::Status, std::vector<v1::MultiGetResponse>> multi_get(const v1::MultiGetRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    const auto reader = stub->MultiGet(&context, request);
    std::vector<v1::MultiGetResponse> chunks;
    v1::MultiGetResponse chunk;
    while (reader->Read(&chunk)) chunks.push_back(chunk);
    return {reader->Finish(), chunks};
  }
  auto delete_range(const v1::DeleteRangeRequest& request) { return call(&Stub::DeleteRange, request); }

  void fill(int keys, const std::string& prefix = "key ", const std::string& value = "v") {
    for (int i = 0; i < keys; ++i) REQUIRE(set(prefix + std::to_string(i), value).ok());
  }
};

}  // namespace kv
