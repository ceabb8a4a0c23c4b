// Several operations as one change: all or nothing, one revision, one record of the log. Of a Transact call and of an
// atomic message of a pipeline.
//
// Hard part: later operations see what earlier ones made, which is not published and has no revision yet. So the
// transaction keeps, for every key it changes, what the key would be; it publishes only the last of it, after the one
// append, while every shard it has looked at is still locked. Locks are taken in index order: whoever holds several did
// the same.
//
// And a small request can ask for large copies, of values that are there or that it makes itself. So it stops as soon
// as its record, which holds every value that is put, has no room any more; an entry that only gets another expiry is
// copied once, when all is decided, however often that changes; and memory is asked about for every copy.
//
// Threads:  under the locks it takes itself, in run(). Lifetime: the request's bytes outlive it.
// Errors:   of the first operation that fails, which failed_at() names; nothing is changed then. std::bad_alloc: of the
//           constructor; of run() it ends inside.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "server/executor.h"
#include "server/memory_budget.h"
#include "server/operation.h"
#include "server/request_key.h"
#include "store/store.h"

namespace kv {

inline constexpr std::size_t kTransactionOperationsMax = 1024;

struct Comparison {
  std::string_view key;
  Precondition precondition;
};

struct TransactionRequest {
  std::vector<Comparison> comparisons;
  std::vector<Operation> then;
  std::vector<Operation> otherwise;
  WriteOptions options;

  // What it takes while it waits for the log, with what a Transaction makes of it before that.
  std::size_t memory_bytes() const noexcept {
    return comparisons.capacity() * sizeof(Comparison) + (then.capacity() + otherwise.capacity()) * sizeof(Operation) +
           comparisons.size() * (sizeof(HashedKey) + sizeof(std::size_t)) +
           (then.size() + otherwise.size()) * (sizeof(HashedKey) + sizeof(HashedValue) + sizeof(std::size_t));
  }
};

// What came of a transaction, while its shards are locked.
struct TransactionOutcome {
  bool succeeded = false;  // the comparisons held
  Revision revision = 0;   // 0: nothing changed
  Revision shown = 0;      // the newest change of others that the answers show
  Revision logged = 0;     // of the record that remembers the request id, whether or not anything changed
  bool replayed = false;   // the answer of an earlier one with the same id, of which the results are not kept
  Level level = Level::kMemory;
  std::span<const Decision> decisions;  // of the branch that was taken, in order
};

// As OutcomeSink, for all operations at once.
class TransactionSink {
 public:
  // An error refuses the transaction.
  virtual absl::Status reserve(const TransactionOutcome& outcome) = 0;
  virtual void take(const TransactionOutcome& outcome) noexcept = 0;

 protected:
  ~TransactionSink() = default;
};

struct TransactionContext {
  Journal& journal;
  Clock& clock;
  MemoryBudget& memory;
  std::size_t added_bytes;  // that were asked of it already
  std::size_t entry_bytes_max;
  Level level;
  Revision visible_before;
  std::optional<RequestKey> request = {};
};

class Transaction {
 public:
  // Hashes everything, before any lock is taken. Throws std::bad_alloc.
  Transaction(Store& store, const TransactionRequest& request);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  // Whether any of its operations writes: if not, it needs no ticket.
  bool writes() const noexcept;
  // What the record takes, if values that are appended to are as long as they are now; at most what a record may take,
  // because only one of the branches will be in it. Takes locks, one at a time.
  std::size_t record_bytes_now(UnixMillis now) const;

  enum class Ran { kDone, kTicketTooSmall };
  // kDone: outcome() and error() tell. kTicketTooSmall: nothing was changed and nobody told; record_bytes() are needed,
  // or more where that is too much for any record.
  Ran run(std::optional<Ticket> ticket, const TransactionContext& context, TransactionSink& sink);

  // In place of run(): the answer of an earlier one.
  void replay(const Outcome& first, TransactionSink& sink);

  const TransactionOutcome& outcome() const noexcept { return outcome_; }
  const absl::Status& error() const noexcept { return error_; }
  // The operation of its branch that failed, when it was one.
  std::optional<std::size_t> failed_at() const noexcept { return failed_at_; }
  std::size_t record_bytes() const noexcept { return record_bytes_; }
  // The earliest expiry that it set, or kNoExpiry.
  UnixMillis earliest_expiry() const noexcept { return earliest_expiry_; }

 private:
  // A key as the transaction sees it, and as it will be.
  struct Key {
    WriteLock* shard = nullptr;
    FoundKey found;
    SeenKey seen;                // its entry is one of puts_, or what was found
    bool erased = false;         // what was found goes
    std::size_t put = kNothing;  // index in puts_ of what is published
    std::size_t copied = 0;      // bytes of it that the request does not hold
    bool shown = false;          // the answer has a view of it
  };
  struct Hashed {
    HashedKey key;
    HashedValue value;
  };
  static constexpr std::size_t kNothing = static_cast<std::size_t>(-1);

  void lock_shards();
  Ran run_locked(std::optional<Ticket>& ticket, const TransactionContext& context, TransactionSink& sink,
                 std::optional<RequestClaim>& claim);
  Key& look(const HashedKey& key);
  bool compare();
  absl::Status decide_all(const TransactionContext& context);
  absl::Status carry_out(const Operation& operation, const Hashed& hashed, Key& key, Decision& decision,
                         const TransactionContext& context);
  void give_up_expiry(Key& key) noexcept;
  void make_expiries();
  absl::Status count_copies(const Key& key, const Decision& decision, const TransactionContext& context);
  void keep(Key& key, PreparedPut put, std::size_t copied);
  void log(MutationKind kind, std::string_view key, UnixMillis expire_at, std::string_view value);
  void number(Revision revision, Revision visible_before) noexcept;
  RequestBlock block_of(const RequestKey& key) const noexcept;
  void publish() noexcept;

  const std::vector<Operation>& branch() const noexcept { return succeeded_ ? request_.then : request_.otherwise; }
  const std::vector<Hashed>& hashed_branch() const noexcept { return succeeded_ ? then_ : otherwise_; }

  Store& store_;
  const TransactionRequest& request_;
  std::vector<HashedKey> compared_;
  std::vector<Hashed> then_;
  std::vector<Hashed> otherwise_;
  std::vector<std::size_t> shards_;  // sorted, each once

  // Of one run.
  std::vector<WriteLock> locks_;  // one for each of shards_
  UnixMillis now_ = 0;
  bool succeeded_ = false;
  absl::flat_hash_map<std::string_view, Key> keys_;
  std::vector<Decision> decisions_;
  std::vector<PreparedPut> puts_;
  std::size_t copied_bytes_ = 0;  // in puts_ and decisions_, and those that make_expiries() will make
  std::size_t mutation_bytes_ = 0;
  std::vector<Mutation> mutations_;
  TransactionOutcome outcome_;
  absl::Status error_;
  std::optional<std::size_t> failed_at_;
  std::size_t record_bytes_ = 0;
  UnixMillis earliest_expiry_ = kNoExpiry;
};

}  // namespace kv
