// Every row of the table, told twice: through the generated stubs and through kv::Client.
#include <algorithm>

#include <catch2/catch.hpp>

#include "tests/rows/runner.h"
#include "tests/support/running_server.h"
#include "tests/support/temp_directory.h"

using namespace kv;
using namespace kv::rows;

namespace {

using MakeTarget = std::unique_ptr<Target> (*)(const std::string&);
constexpr MakeTarget kTargets[] = {&stub_target, &client_target};

ServerOptions options_of(const ServerKind& kind, const std::string& directory, const DiskFaults& faults) {
  if (kind.kind == ServerKind::Kind::kInner) return {directory, {}, {}, {KV_INNER_SERVER, kind.name}};
  if (kind.kind == ServerKind::Kind::kState) return {directory, kind.flags, faults.environment(), {}};
  return {directory, kind.flags, {}, {}};
}

bool is_told_on(const Row& row, const ServerKind& server) {
  if (row.servers.empty()) return server.kind == ServerKind::Kind::kMode;
  return std::count(row.servers.begin(), row.servers.end(), server.name) != 0;
}

std::string run(const Row& row, std::unique_ptr<Target>& target, RunningServer& running, const ServerKind& server,
                DiskFaults* faults) {
  if (!(target->is_client() ? row.stubs_only : row.client_only).empty()) return {};
  const bool fresh = server.kind != ServerKind::Kind::kMode;
  return Runner(target, running, server, faults).run(row, fresh);
}

std::vector<ServerKind> servers_of(bool modes) {
  std::vector<ServerKind> servers;
  for (const ServerKind& server : all_servers()) {
    if ((server.kind == ServerKind::Kind::kMode) == modes) servers.push_back(server);
  }
  return servers;
}

}  // namespace

TEST_CASE("rows: in every mode each row is true, through the generated stubs and through kv::Client") {
  const ServerKind kind = GENERATE(from_range(servers_of(true)));
  INFO(kind.name);
  TempDirectory directory;
  RunningServer server({directory.file("data"), kind.flags, {}, {}});
  int told = 0;
  for (const MakeTarget make : kTargets) {
    auto target = make(server.address());
    for (const Row& row : all_rows()) {
      if (!is_told_on(row, kind)) continue;
      const std::string wrong = run(row, target, server, kind, nullptr);
      INFO((target->is_client() ? "kv::Client" : "generated stubs"));
      CHECK(wrong == "");
      ++told;
    }
  }
  CHECK(told > 0);
  CHECK(server.stop() == 0);
}

TEST_CASE("rows: in every state each of its rows is true, through the generated stubs and through kv::Client") {
  const ServerKind kind = GENERATE(from_range(servers_of(false)));
  INFO(kind.name);
  int told = 0;
  for (const MakeTarget make : kTargets) {
    for (const Row& row : all_rows()) {
      if (!is_told_on(row, kind)) continue;
      TempDirectory directory;
      DiskFaults faults;
      RunningServer server(options_of(kind, directory.file("data"), faults));
      auto target = make(server.address());
      const std::string wrong = run(row, target, server, kind, &faults);
      INFO((target->is_client() ? "kv::Client" : "generated stubs"));
      CHECK(wrong == "");
      ++told;
    }
  }
  CHECK(told > 0);
}
