// One thing that will have happened: the only kind of tag the completion queues know, and the only kind of wake-up that
// threads send each other.
//
// Hard part: ownership. A Completion is owned by whoever waits (usually it lies in a coroutine's frame), never by the
// queue or list that carries it. It is completed exactly once per arming, and may be gone the moment complete() runs.
//
// Threads: complete() runs on one thread at a time. A CompletionList belongs to one thread at a time.
#pragma once

#include <cstddef>
#include <utility>

namespace kv {

class Completion {
 public:
  // `ok` is false when the thing did not happen: the queue is shutting down, the operation was refused.
  virtual void complete(bool ok) noexcept = 0;

 protected:
  Completion() = default;
  Completion(const Completion&) = delete;
  Completion& operator=(const Completion&) = delete;
  ~Completion() = default;

 private:
  friend class CompletionList;
  friend class CompletionStack;
  Completion* next_ = nullptr;
};

// First in, first out, intrusive: no call allocates. A Completion is in at most one list.
class CompletionList {
 public:
  CompletionList() = default;
  CompletionList(CompletionList&& other) noexcept
      : head_(std::exchange(other.head_, nullptr)), tail_(std::exchange(other.tail_, nullptr)) {}
  CompletionList& operator=(CompletionList&& other) noexcept {
    head_ = std::exchange(other.head_, nullptr);
    tail_ = std::exchange(other.tail_, nullptr);
    return *this;
  }

  bool empty() const noexcept { return head_ == nullptr; }

  void push(Completion& completion) noexcept {
    completion.next_ = nullptr;
    (tail_ != nullptr ? tail_->next_ : head_) = &completion;
    tail_ = &completion;
  }

  // Null when empty. The completion is out of the list and may be destroyed.
  Completion* pop() noexcept {
    Completion* first = head_;
    if (first == nullptr) return nullptr;
    head_ = first->next_;
    if (head_ == nullptr) tail_ = nullptr;
    first->next_ = nullptr;
    return first;
  }

  // False: it is not in this list. Looks through the list: for what happens rarely.
  bool remove(Completion& completion) noexcept {
    Completion* before = nullptr;
    for (Completion* each = head_; each != nullptr; before = each, each = each->next_) {
      if (each != &completion) continue;
      (before != nullptr ? before->next_ : head_) = each->next_;
      if (tail_ == each) tail_ = before;
      each->next_ = nullptr;
      return true;
    }
    return false;
  }

  void append(CompletionList&& other) noexcept {
    if (other.empty()) return;
    (tail_ != nullptr ? tail_->next_ : head_) = other.head_;
    tail_ = other.tail_;
    other.head_ = other.tail_ = nullptr;
  }

 private:
  Completion* head_ = nullptr;
  Completion* tail_ = nullptr;
};

// A place where completions run: a reactor in the server, a plain thread in tests. The journal knows its callers only
// as schedulers.
class Scheduler {
 public:
  // Runs complete(true) of each, in order, on a thread of this scheduler, soon. One wake-up for the whole list.
  // From any thread; never runs them inside the call. The scheduler outlives everything that was posted to it.
  virtual void post(CompletionList list) noexcept = 0;

  void post(Completion& completion) noexcept {
    CompletionList list;
    list.push(completion);
    post(std::move(list));
  }

 protected:
  ~Scheduler() = default;
};

}  // namespace kv
