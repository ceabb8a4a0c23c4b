#include "tests/crash/checker.h"

#include <chrono>
#include <set>

#include <fmt/format.h>

#include "kvstore/kvstore.grpc.pb.h"
#include "tests/crash/workload.h"

namespace kv::crash {
namespace {

constexpr std::chrono::seconds kDeadline{30};

std::string failed(std::string_view call, const grpc::Status& status) {
  return fmt::format("{} failed after the restart: {} {}", call, static_cast<int>(status.error_code()),
                     status.error_message());
}

std::string settle(History& history, const std::string& key, std::optional<WriteId> found, Owed owed) {
  switch (owed.what) {
    case Owed::What::kOneCut:
      return history.settle_at_cut(key, found, owed.cut);
    case Owed::What::kNothing:
      return history.settle_empty(key, found);
    case Owed::What::kEverything:
      break;
  }
  return history.settle(key, found);
}

}  // namespace

Check check_everything(const std::string& target, History& history, Owed owed) {
  const auto stub = kvstore::KeyValueStore::NewStub(connect(target));
  Check check;
  std::set<std::string> present;
  for (const std::string& key : history.keys()) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    kvstore::GetRequest request;
    request.set_key(key);
    kvstore::GetResponse response;
    const grpc::Status status = stub->Get(&context, request, &response);
    if (!status.ok()) {
      check.findings.push_back(failed("Get of " + key, status));
      continue;
    }
    // No value of ours is empty, so an empty one means that the key is not there.
    const auto id = read_value(key, response.value());
    if (!id && !response.value().empty()) {
      check.findings.push_back(fmt::format("{} shows {} bytes that are no whole value", key, response.value().size()));
      continue;
    }
    if (id) present.insert(key);
    if (std::string problem = settle(history, key, id, owed); !problem.empty()) {
      check.findings.push_back(std::move(problem));
    }
  }

  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kDeadline);
  kvstore::KeysResponse keys;
  const grpc::Status status = stub->Keys(&context, {}, &keys);
  if (!status.ok()) check.findings.push_back(failed("Keys", status));
  const std::set<std::string> listed(keys.keys().begin(), keys.keys().end());
  if (status.ok() && (listed != present || keys.keys_size() != static_cast<int>(listed.size()))) {
    check.findings.push_back(fmt::format("Keys lists {} keys ({} different), Get finds {}", keys.keys_size(),
                                         listed.size(), present.size()));
  }
  check.keys_present = present.size();
  return check;
}

}  // namespace kv::crash
