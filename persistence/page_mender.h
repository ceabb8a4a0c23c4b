// Puts the huge pages of the data heap together again, in the background, after a snapshot's child has ended.
//
// Why: whatever the server wrote to while the child lived was copied in pages of 4 KiB, which splits the huge page
// around it. Left split, the next fork copies a page table of full length again.
//
// Hard part: it must not be in anybody's way. It works place by place, each of them some hundred microseconds in which
// the process's page faults wait, and rests as long as it has worked. It must not work while a child lives: a
// page that the child shares would be copied whole. So pause() comes before every fork and returns when no place is
// being worked on; begin() comes after the child has ended, and starts again from the first place.
//
// Where the system refuses, the log says so once, and it does no more.
//
// Threads:  all calls from any thread; the work is done on one of its own.
// Lifetime: the places outlive it. The destructor waits for the place at hand.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "store/huge_places.h"

namespace kv {

class PageMender {
 public:
  // What it works on; in the server the places of the data heap.
  struct Work {
    std::function<std::size_t()> count;
    std::function<Collapse(std::size_t index)> collapse;
    std::function<int()> refusal;  // see HugePlaces::collapse_refusal
  };
  struct Figures {
    std::uint64_t rounds = 0;           // that came to their end
    std::uint64_t whole = 0;            // places of the last one of these that are one huge page now
    std::uint64_t busy = 0;             // and those that had to be left for the next
    std::chrono::milliseconds took{0};  // it, rests included
    bool refused = false;               // the system does not do it
    bool at_work = false;               // a round is to be made, or being made
  };

  // `warn` may be empty.
  PageMender(Work work, std::function<void(const std::string&)> warn);
  ~PageMender();
  PageMender(const PageMender&) = delete;
  PageMender& operator=(const PageMender&) = delete;

  static Work data_heap();

  void begin();
  void pause();
  Figures figures() const;
  // When no round is to be made, or being made.
  void wait_until_done() const;

 private:
  using Lock = std::unique_lock<std::mutex>;
  void run();
  // All with the lock held, which they release while they work.
  void ask_system(Lock& lock);
  void round(Lock& lock);
  Collapse work_on(std::size_t index, Lock& lock);

  const Work work_;
  const std::function<void(const std::string&)> warn_;

  mutable std::mutex mutex_;  // guards what follows
  mutable std::condition_variable changed_;
  bool wanted_ = false;          // a round is to be made, or is being made
  std::uint64_t asked_for_ = 0;  // calls of begin()
  bool asked_ = false;           // whether the system does it
  bool working_ = false;         // on one place
  bool stopping_ = false;
  Figures figures_;

  std::thread thread_;
};

}  // namespace kv
