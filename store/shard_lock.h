// The lock of one shard: many readers or one writer, and a waiting writer goes first.
//
// Why not absl::Mutex: Debian's is built without annotations, and ThreadSanitizer would neither see it nor what it
// guards. Why not std::shared_mutex: it is this lock with the preference for readers, under which a steady stream of
// reads keeps a writer, and so a snapshot, waiting.
//
// Threads: all calls; one thread never holds it twice.
#pragma once

#include <cassert>

#include <pthread.h>

namespace kv {

class ShardLock {
 public:
  ShardLock() noexcept {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&lock_, &attributes);
    pthread_rwlockattr_destroy(&attributes);
  }
  ~ShardLock() { pthread_rwlock_destroy(&lock_); }
  ShardLock(const ShardLock&) = delete;
  ShardLock& operator=(const ShardLock&) = delete;

  void lock_shared() noexcept { must(pthread_rwlock_rdlock(&lock_)); }
  bool try_lock_shared() noexcept { return pthread_rwlock_tryrdlock(&lock_) == 0; }
  void lock() noexcept { must(pthread_rwlock_wrlock(&lock_)); }
  void unlock_shared() noexcept { unlock(); }
  void unlock() noexcept { must(pthread_rwlock_unlock(&lock_)); }

 private:
  // The only failures are a lock taken twice by one thread and more readers than a counter holds.
  static void must([[maybe_unused]] int error_number) noexcept { assert(error_number == 0); }

  pthread_rwlock_t lock_;
};

}  // namespace kv
