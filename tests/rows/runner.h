// Tells one row to a server, through one target.
//
// Hard part: the answer to a step is exact, but revisions are those of a server with a past. So $1 is the first one
// that this row is given: what the server says it is at when the row begins is the nought.
//
// Threads: one. Lifetime: server and target outlive it.
#pragma once

#include <cstdint>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/rows/row.h"
#include "tests/rows/target.h"
#include "tests/support/disk_faults.h"
#include "tests/support/running_server.h"

namespace kv::rows {

class Runner {
 public:
  // `faults` may be null: the row has none then. `target` is another one when the server was started again.
  Runner(std::unique_ptr<Target>& target, RunningServer& running, const ServerKind& server, DiskFaults* faults);

  // What is wrong, with its place; "" when every step went as the row has it. `fresh`: the server was started for it.
  std::string run(const Row& row, bool fresh);

 private:
  void begin(bool fresh);
  std::string take(const Step& step);
  std::string take_call(const Step& step);
  void restart(bool killed);
  // "" when the answer is the step's.
  std::string wrong_with(const Step& step, const Answer& answer) const;
  void remember(const Answer& answer);
  Answer ask(const Step& step);
  std::string wait_for(const Step& step, Answer& answer);
  std::string substitute(const std::string& text) const;
  std::string value_of(const std::string& name, const std::string& argument) const;

  std::unique_ptr<Target>& target_;
  RunningServer& running_;
  const ServerKind& server_;
  DiskFaults* const faults_;
  std::uint64_t nought_ = 0;
  std::uint64_t newest_ = 0;  // of all revisions that the row was shown
  std::string id_, other_id_;
  std::string token_;
  std::vector<std::future<Answer>> begun_;
};

}  // namespace kv::rows
