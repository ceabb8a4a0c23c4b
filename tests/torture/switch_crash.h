// What the enumerated switches and the random walks share: a writer beside the switch, cuts that are aimed at the
// switch's own calls, and starts that are cut themselves.
//
// Threads: a WriterBeside has one of its own; the rest belongs to the test's thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/torture/promise.h"

namespace kv {

// Of four kinds of loss one, by `dice`.
Survivors survivors(std::uint64_t dice, std::uint64_t seed);
std::string text_of(const Data& data);
// The smallest segments, so that large values fill them and disks are cheap to clone.
void set_up_for_switches(StorageFixture& server, FaultyFileSystem& disk);

// A write with its entry in the promise. False when the server did not take it.
bool write(StorageFixture& server, Promise& promise, const std::string& key, const std::optional<std::string>& value);

// Writes, deletes and fills segments until it is stopped, the disk is gone or it has done its share.
// Lifetime: server and promise outlive it, and are its own until stop() has returned.
class WriterBeside {
 public:
  // Returns when the first write was answered.
  WriterBeside(StorageFixture& server, Promise& promise, std::uint64_t& values);
  ~WriterBeside() { stop(); }
  WriterBeside(const WriterBeside&) = delete;
  WriterBeside& operator=(const WriterBeside&) = delete;

  // So many writes of the promise were answered, or sent, by now.
  std::size_t answered() const { return answered_; }
  std::size_t sent() const { return sent_; }
  void stop();

 private:
  void run(std::promise<void>& first);
  bool one(std::uint64_t number);

  StorageFixture& server_;
  Promise& promise_;
  std::uint64_t& values_;
  std::atomic<std::size_t> answered_;
  std::atomic<std::size_t> sent_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// A power cut at a call that is not the writer's: its writes and syncs of the log do not count, or they would be all
// that is ever hit. Made before the disk is used, whose hook it takes.
class AimedCut {
 public:
  explicit AimedCut(FaultyFileSystem& disk);
  void aim(std::uint64_t call, std::size_t torn_bytes);
  // Of the calls that count, since the disk was made.
  std::uint64_t calls() const { return *calls_; }

 private:
  FaultyFileSystem& disk_;
  std::shared_ptr<std::atomic<std::uint64_t>> calls_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<std::atomic<std::uint64_t>> cut_at_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::shared_ptr<std::atomic<std::size_t>> torn_bytes_ = std::make_shared<std::atomic<std::size_t>>(0);
};

using JudgeFound = std::function<void(const Data&)>;

// Starts on what a crash left, and gives the data that it finds. A switch that MANIFEST shows under way goes on by
// itself, at some moment after the start: asking for the same one shares its answer, so that the mode is known.
Data start_again(StorageFixture& server, Promise& promise, const JudgeFound& judge);
// A start that is cut at that call; what it serves before is judged, and all that may be found from then on. Gives the
// disk that the next start finds.
std::unique_ptr<FaultyFileSystem> cut_start(FaultyFileSystem& disk, Mode given, std::uint64_t call,
                                            const Survivors& lost, Promise& promise, Promise::UnderWay& under_way,
                                            const JudgeFound& judge);

}  // namespace kv
