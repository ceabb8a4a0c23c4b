// The table is whole: what the server can say has a row.
#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "tests/rows/method.h"
#include "tests/rows/row.h"
#include "tests/support/source_tree.h"

using namespace kv;
using namespace kv::rows;

namespace {

// Every reason word of core/error.h with its code.
std::map<std::string, std::string> all_reasons() {
  std::map<std::string, std::string> reasons;
  for (int i = 0; i <= static_cast<int>(Reason::kInternal); ++i) {
    const auto reason = static_cast<Reason>(i);
    reasons[std::string(word(reason))] = absl::StatusCodeToString(error(reason, "").code());
  }
  return reasons;
}

// Words that no caller of a running server is ever shown; each line says why.
std::set<std::string> never_shown() {
  std::ifstream in(source_path("tests/rows/never_shown.txt"));
  std::set<std::string> words;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.front() != '#') words.insert(line.substr(0, line.find(':')));
  }
  return words;
}

}  // namespace

TEST_CASE("table: every reason word has a row that demands it with its code, or stands among those nobody is shown") {
  std::map<std::string, std::set<std::string>> demanded;
  for (const Row& row : all_rows()) {
    for (const Step& step : row.steps) {
      const Refusal refusal = refusal_in(step.answer);
      if (!refusal.reason.empty()) demanded[refusal.reason].insert(refusal.code);
    }
  }
  const std::set<std::string> hidden = never_shown();
  const auto reasons = all_reasons();
  // Behind the last one the list would go on unseen.
  CHECK(word(static_cast<Reason>(static_cast<int>(Reason::kInternal) + 1)) == word(Reason::kInternal));
  CHECK(reasons.size() == static_cast<std::size_t>(Reason::kInternal) + 1);
  for (const auto& [reason, code] : reasons) {
    INFO(reason);
    CHECK(demanded.contains(reason) != hidden.contains(reason));
    if (demanded.contains(reason)) CHECK(demanded[reason] == std::set<std::string>{code});
  }
  for (const auto& [reason, codes] : demanded) {
    INFO(reason);
    CHECK(reasons.contains(reason));
  }
  for (const std::string& reason : hidden) {
    INFO(reason);
    CHECK(reasons.contains(reason));
  }
}

TEST_CASE("table: every call of kvstore.v1.KeyValueService has a row in which it is answered") {
  std::set<std::string> answered;
  for (const Row& row : all_rows()) {
    for (const Step& step : row.steps) {
      if (step.answer.starts_with("{")) answered.insert(step.method);
    }
  }
  const auto* pool = kvstore::v1::ScanRequest::descriptor()->file()->pool();
  const auto* service = pool->FindServiceByName("kvstore.v1.KeyValueService");
  REQUIRE(service != nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    INFO(service->method(i)->name());
    CHECK(answered.contains(service->method(i)->name()));
  }
}

TEST_CASE("table: what fails or ends on purpose is a server of the row's own") {
  for (const Row& row : all_rows()) {
    INFO(row.place());
    const bool fails =
        std::any_of(row.steps.begin(), row.steps.end(), [](const Step& step) { return !step.is_call(); });
    if (fails) CHECK_FALSE(row.servers.empty());
    for (const std::string& server : row.servers) {
      CHECK((!fails || server_kind(server).kind == ServerKind::Kind::kState));
    }
  }
}

TEST_CASE("table: every server has a row, and no two rows have one name") {
  std::set<std::string> servers, names;
  for (const Row& row : all_rows()) {
    INFO(row.place());
    CHECK(names.insert(row.name).second);
    CHECK((row.stubs_only.empty() || row.client_only.empty()));
    servers.insert(row.servers.begin(), row.servers.end());
    for (const Step& step : row.steps) {
      if (step.is_call()) CHECK_NOTHROW(path_of(step.method));
    }
  }
  for (const ServerKind& server : all_servers()) {
    INFO(server.name);
    CHECK((server.kind == ServerKind::Kind::kMode || servers.contains(server.name)));
  }
}
