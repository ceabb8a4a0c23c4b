#include "bench/facts.h"

#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>
#include <sys/utsname.h>

#include "client/client.h"

namespace kv {
namespace {

using Json = nlohmann::ordered_json;

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

// As the schema names the fields.
Json message_json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(message, &text, options).ok()) return nullptr;
  return Json::parse(text, nullptr, false);
}

std::string without(const std::string& text, std::string_view prefix) {
  return text.starts_with(prefix) ? text.substr(prefix.size()) : text;
}

}  // namespace

Json client_facts() {
  Json facts;
  facts["version"] = KV_VERSION;
  facts["compiler"] = "GCC " __VERSION__;
  facts["build_flags"] = KV_BUILD_FLAGS;
  facts["cpu"] = processor();
  facts["cores"] = std::thread::hardware_concurrency();
  utsname system{};
  if (uname(&system) == 0) facts["kernel"] = fmt::format("{} {}", system.sysname, system.release);
  return facts;
}

Json server_facts(const CallerOptions& options) {
  if (options.api == Api::kEtcd) return nullptr;
  ClientOptions connection;
  connection.target = options.target;
  Client client(connection);
  const auto config = wait(client.call(methods::kGetConfig, kvstore::v1::GetConfigRequest()));
  const auto status = wait(client.call(methods::kGetStatus, kvstore::v1::GetStatusRequest()));
  if (!config.ok() || !status.ok()) return nullptr;
  Json facts;
  facts["version"] = status->version();
  facts["mode"] = without(PersistenceMode_Name(config->config().mode()), "PERSISTENCE_MODE_");
  facts["fsync"] = without(FsyncPolicy_Name(config->config().fsync_policy()), "FSYNC_POLICY_");
  facts["config"] = message_json(config->config());
  facts["instance_id"] = status->instance_id();
  facts["revision"] = status->revision();
  return facts;
}

std::string server_line(const Json& facts) {
  if (facts.is_null()) return "a server that does not tell its settings";
  return fmt::format("kvstore {}, {}, fsync {}", facts["version"].get<std::string>(), facts["mode"].get<std::string>(),
                     facts["fsync"].get<std::string>());
}

std::string time_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

}  // namespace kv
