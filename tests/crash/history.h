// The oracle: what was intended for each key and what became of it, kept outside the server that is killed.
//
// A writer says begin_*() before it sends and acknowledge() after an OK; a call that ended any other way stays open: it
// may have happened or not. After a crash settle() is told what a key shows and judges it:
//   a state is right when some write since the last settle() (or the state then) left it, and no acknowledged write of
//   that key began after that write had ended.
// So an acknowledged write is never lost or undone, a deleted key stays deleted, nothing shows that was never written,
// an open write may show or not, and of writes at the same time either may be the last.
//
// Threads: all calls from any thread. Order comes from one counter, not from a clock.
#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/crash/value.h"

namespace kv::crash {

class History {
 public:
  // A write under way; good until its key is settled.
  struct Intent {
    std::string key;
    std::size_t index = 0;
  };

  Intent begin_set(std::string_view key, WriteId id) { return begin(key, id); }
  Intent begin_delete(std::string_view key) { return begin(key, std::nullopt); }
  void acknowledge(const Intent& intent);

  // `found`: the write whose value the key shows, nothing when the key is not there. Answers what is wrong, or an empty
  // text; from then on what was found is the state that later ones are judged from.
  std::string settle(const std::string& key, std::optional<WriteId> found);

  std::vector<std::string> keys() const;

 private:
  static constexpr std::uint64_t kOpen = std::numeric_limits<std::uint64_t>::max();
  struct Attempt {
    std::optional<WriteId> set;  // nothing: a delete
    std::uint64_t begin = 0;
    std::uint64_t end = kOpen;
  };

  Intent begin(std::string_view key, std::optional<WriteId> set);
  static bool overruled(const std::vector<Attempt>& attempts, const Attempt& candidate);

  mutable std::mutex mutex_;
  std::uint64_t now_ = 0;
  std::map<std::string, std::vector<Attempt>, std::less<>> attempts_;  // the first is the state last settled
};

}  // namespace kv::crash
