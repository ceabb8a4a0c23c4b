#include "tests/crash/restarts.h"

#include <stdexcept>

#include <fmt/format.h>

namespace kv::crash {

void Restarts::judge_life(RunningServer& server) { require(judge_log(server.log(), torn_), server); }

Remains Restarts::look(RunningServer& server) {
  try {
    return look_at(server.data_directory());
  } catch (const std::exception& failure) {
    require({failure.what()}, server);
    throw;
  }
}

void Restarts::start(RunningServer& server, const Remains& remains) {
  server.start();
  torn_ = remains.torn;
  first_revision_ = remains.next_revision;
  require(judge_start(server.log(), remains), server);
}

Check Restarts::start_and_check(RunningServer& server, const Remains& remains, const Owed& owed) {
  start(server, remains);
  history_.crashed();
  Check check = check_everything(server.address(), history_, owed);
  if (check.digest != remains.digest) {
    check.findings.push_back(fmt::format(
        "the server's entries have the digest {:016x}, kvstore_tool check said {:016x}", check.digest, remains.digest));
  }
  require(check.findings, server);
  return check;
}

// The start before has made what it served durable.
Remains Restarts::start_again(RunningServer& server, const std::function<void()>& end, const Check& before) {
  judge_life(server);
  end();
  const Remains remains = look(server);
  start(server, remains);
  ++second_starts_;
  Check check = read_digest(server.address());
  if (torn_) check.findings.emplace_back("a start to which nobody wrote left a torn tail to the next one");
  if (check.digest != before.digest || remains.digest != before.digest) {
    check.findings.push_back(
        fmt::format("the first start had the digest {:016x}, the second one has {:016x}, and before "
                    "it kvstore_tool check said {:016x}",
                    before.digest, check.digest, remains.digest));
  }
  require(check.findings, server);
  return remains;
}

void Restarts::stop(RunningServer& server) {
  const int code = server.stop();
  if (code != 0) require({fmt::format("a clean stop exited {}", code)}, server);
  judge_life(server);
}

void Restarts::require(const std::vector<std::string>& findings, RunningServer& server) const {
  if (findings.empty()) return;
  std::string text = fmt::format("cycle {}: {} findings", cycle_, findings.size());
  for (const std::string& finding : findings) text += "\n  " + finding;
  throw std::runtime_error(text + "\nlog of the server:\n" + server.log());
}

}  // namespace kv::crash
