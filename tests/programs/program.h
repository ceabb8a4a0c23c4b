// One random program: some tens of steps on keys of its own, each judged by the model. A step is a call, a transaction,
// a message of a pipeline, a walk over all keys, something that is sent again with its request id, or a restart.
//
// Threads: one. Errors: Mismatch; trace() then has the steps so far, the last one is the one that was wrong.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tests/programs/generator.h"
#include "tests/programs/model.h"
#include "tests/programs/target.h"

namespace kv::programs {

struct ProgramOptions {
  std::uint64_t steps = 40;
  std::uint64_t restart_one_in = 300;          // steps
  bool survives_kill = true;                   // a log: else restarts are clean stops
  v1::Durability level = v1::DURABILITY_DISK;  // of a write that asks for none
  bool has_log = true;                         // levels can be asked for
};

class Program {
 public:
  // `floor`: the highest revision that was ever seen; kept up to date.
  Program(std::uint64_t seed, const ProgramOptions& options, Target& target, std::uint64_t& floor,
          std::map<std::string, std::uint64_t>& counts);
  void run();
  std::string trace() const;

 private:
  // What was sent with an id is sent again, and the answer judged.
  using Retry = std::function<void()>;
  using Operations = google::protobuf::RepeatedPtrField<v1::Operation>;
  using Results = google::protobuf::RepeatedPtrField<v1::OperationResult>;

  void step();
  void single();
  void transact();
  void atomic_message();
  void plain_message();
  void look_at_many();
  void look_at_all();
  void delete_range();
  void send_again();
  void another_under_an_id();
  void restart(bool kill);

  // With options of its own, an id among them or not.
  v1::Operation operation();
  void fill_options(v1::WriteOptions& options);
  Setting setting(v1::Durability asked) const;
  // One result of one operation by itself.
  void judge(const v1::Operation& operation, const v1::OperationResult& result, const Setting& setting,
             std::uint64_t floor);
  void remember(const v1::Operation& operation, const v1::OperationResult& result);
  void judge_changed(std::uint64_t revision, std::uint64_t floor);
  // What the operations make together, or the first that fails: its index, and its result.
  struct Together {
    Model after;
    std::vector<v1::OperationResult> results;
    bool changes = false;
    std::optional<std::size_t> failed_at;
  };
  Together together(const Operations& operations, std::uint64_t revision, const Setting& setting,
                    const Results* seen) const;
  void note(const std::string& what, const google::protobuf::Message& request);
  void count(const std::string& name) { ++counts_[name]; }
  void raise_floor(std::uint64_t revision) { floor_ = std::max(floor_, revision); }

  const ProgramOptions options_;
  Target& target_;
  std::uint64_t& floor_;
  std::map<std::string, std::uint64_t>& counts_;
  Generator generator_;
  Model model_;
  std::vector<Retry> retries_;
  std::vector<v1::Operation> with_ids_;
  std::vector<std::string> trace_;
};

}  // namespace kv::programs
