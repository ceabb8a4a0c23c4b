#include "tests/issues/session.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <catch2/catch.hpp>
#include <signal.h>

#include "tests/support/file_watch.h"

namespace kv {
namespace {

// Only a hang exceeds it.
constexpr std::chrono::seconds kLongEnough{20};

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + kLongEnough);
}

void require_ok(const grpc::Status& status) {
  INFO(status.error_code() << ' ' << status.error_message());
  REQUIRE(status.ok());
}

std::vector<std::string> with_defaults(std::vector<std::string> flags) {
  if (std::find(flags.begin(), flags.end(), "--stop-timeout") == flags.end()) {
    flags.insert(flags.end(), {"--stop-timeout", "60s"});
  }
  return flags;
}

}  // namespace

LegacyClient::LegacyClient(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetMaxReceiveMessageSize(-1);
  channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  stub_ = kvstore::KeyValueStore::NewStub(channel_);
}

grpc::Status LegacyClient::set(const std::string& key, const std::string& value) {
  grpc::ClientContext context;
  set_deadline(context);
  kvstore::SetRequest request;
  request.set_key(key);
  request.set_value(value);
  google::protobuf::Empty response;
  return stub_->Set(&context, request, &response);
}

grpc::Status LegacyClient::get(const std::string& key, std::string& value) {
  grpc::ClientContext context;
  set_deadline(context);
  kvstore::GetRequest request;
  request.set_key(key);
  kvstore::GetResponse response;
  const grpc::Status status = stub_->Get(&context, request, &response);
  value = response.value();
  return status;
}

grpc::Status LegacyClient::del(const std::string& key, bool& existed) {
  grpc::ClientContext context;
  set_deadline(context);
  kvstore::DelRequest request;
  request.set_key(key);
  kvstore::DelResponse response;
  const grpc::Status status = stub_->Del(&context, request, &response);
  existed = response.success();
  return status;
}

grpc::Status LegacyClient::keys(std::vector<std::string>& sorted_keys) {
  grpc::ClientContext context;
  set_deadline(context);
  kvstore::KeysResponse response;
  const grpc::Status status = stub_->Keys(&context, kvstore::KeysRequest(), &response);
  sorted_keys.assign(response.keys().begin(), response.keys().end());
  std::sort(sorted_keys.begin(), sorted_keys.end());
  return status;
}

grpc::Status LegacyClient::config(kvstore::StorageMode mode, int interval_seconds, int snapshots_max,
                                  std::int64_t log_bytes_max) {
  kvstore::ConfigRequest request;
  request.set_storage_mode(mode);
  request.set_snapshot_interval(interval_seconds);
  request.set_max_snapshots(snapshots_max);
  request.set_aof_max_size(log_bytes_max);
  // The old call answers before a long switch is over, and the same one again joins it. The promise of the new mode
  // holds when this answers.
  const auto bound = std::chrono::steady_clock::now() + kLongEnough;
  while (true) {
    grpc::ClientContext context;
    set_deadline(context);
    kvstore::ConfigResponse response;
    const grpc::Status status = stub_->Config(&context, request, &response);
    if (!status.ok() || context.GetServerTrailingMetadata().count("kvstore-transition") == 0) return status;
    REQUIRE(std::chrono::steady_clock::now() < bound);
  }
}

Session::Session(std::vector<std::string> flags, std::map<std::string, std::string> environment)
    : server_({.data_directory = directory_.file("data"),
               .flags = with_defaults(std::move(flags)),
               .environment = std::move(environment),
               .wrapper = {}}),
      client_(server_.address()) {}

void Session::set(const std::string& key, const std::string& value) { require_ok(client_->set(key, value)); }

std::string Session::get(const std::string& key) {
  std::string value;
  require_ok(client_->get(key, value));
  return value;
}

bool Session::del(const std::string& key) {
  bool existed = false;
  require_ok(client_->del(key, existed));
  return existed;
}

std::vector<std::string> Session::keys() {
  std::vector<std::string> sorted;
  require_ok(client_->keys(sorted));
  return sorted;
}

// Waits for ACTIVE, which the call itself may not: it answers after 900 ms at the latest.
void Session::config(kvstore::StorageMode mode, int interval_seconds, int snapshots_max, std::int64_t log_bytes_max) {
  require_ok(client_->config(mode, interval_seconds, snapshots_max, log_bytes_max));
}

void Session::kill() { server_.kill(); }

void Session::start() {
  server_.start();
  client_.emplace(server_.address());
}

void Session::kill_and_start() {
  kill();
  start();
}

void Session::stop() {
  const int code = server_.stop();
  INFO(server_.log());
  REQUIRE(code == 0);
}

void Session::stop_and_start() {
  stop();
  start();
}

void Session::take_snapshot() {
  FileWatch watch({path("snapshots"), server_.data_directory()});
  const std::vector<std::string> before = snapshots();
  server_.signal(SIGUSR1);
  const auto named = [&] {
    const auto now = snapshots();
    if (now.empty() || (!before.empty() && now.back() == before.back())) return false;
    const std::string number = std::to_string(std::stoull(now.back()));
    return manifest().find("\"number\": " + number) != std::string::npos;
  };
  watch.wait_until("a new snapshot, named by MANIFEST", named);
}

// Only names of the server's own making: a stranger may have any other.
std::vector<std::string> Session::snapshots() const {
  std::vector<std::string> names = names_in(path("snapshots"), ".snap");
  std::erase_if(
      names, [](const std::string& name) { return name.size() != 21 || name.find_first_not_of("0123456789") != 16; });
  return names;
}
std::vector<std::string> Session::segments() const { return names_in(path("aof"), ".aof"); }
std::string Session::manifest() const { return read_all(path("MANIFEST")); }

std::string Session::mode() const {
  static const std::string kField = "\n  \"mode\": \"";
  const std::string text = manifest();
  const std::size_t at = text.find(kField);
  if (at == std::string::npos) return "";
  const std::size_t begin = at + kField.size();
  return text.substr(begin, text.find('"', begin) - begin);
}

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void write_all(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  if (!file) throw std::runtime_error("cannot write " + path);
}

}  // namespace kv
