#include "tests/linearizability/checker.h"

#include <random>
#include <vector>

#include <catch2/catch.hpp>

namespace kv::linearizability {
namespace {

Operation get(Value shown, Instant called, Instant returned) {
  return {Operation::Kind::kGet, shown, called, returned};
}
Operation set(Value value, Instant called, Instant returned = kNever) {
  return {Operation::Kind::kSet, value, called, returned};
}
Operation erase(bool existed, Instant called, Instant returned = kNever) {
  return {Operation::Kind::kDelete, existed ? Value{1} : Value{0}, called, returned};
}
bool good(const std::vector<Operation>& operations, Value initial = kMissing) {
  const Verdict verdict = check(operations, initial);
  REQUIRE(verdict != Verdict::kGaveUp);
  return verdict == Verdict::kLinearizable;
}

}  // namespace

TEST_CASE("linearizability: one after the other, each read shows the write before it") {
  CHECK(good({}));
  CHECK(good({set(1, 1, 2), get(1, 3, 4), set(2, 5, 6), get(2, 7, 8), erase(true, 9, 10), get(0, 11, 12)}));
  CHECK(good({get(7, 1, 2)}, 7));
  CHECK_FALSE(good({get(7, 1, 2)}));
}

TEST_CASE("linearizability: a stale read after an answered write is bad, during it either value is good") {
  CHECK_FALSE(good({set(1, 1, 2), set(2, 3, 4), get(1, 5, 6)}));
  CHECK(good({set(1, 1, 2), set(2, 3, 6), get(1, 4, 5)}));
  CHECK(good({set(1, 1, 2), set(2, 3, 6), get(2, 4, 5)}));
}

TEST_CASE("linearizability: once a read has shown a new value, a later read shows no older one") {
  CHECK_FALSE(good({set(1, 1, 2), set(2, 3, 10), get(2, 4, 5), get(1, 6, 7)}));
  CHECK(good({set(1, 1, 2), set(2, 3, 10), get(1, 4, 5), get(2, 6, 7)}));
  // Reads at the same time may be put in either order.
  CHECK(good({set(1, 1, 2), set(2, 3, 10), get(2, 4, 7), get(1, 5, 6)}));
}

TEST_CASE("linearizability: a lost write is bad, a value from nowhere too") {
  CHECK_FALSE(good({set(1, 1, 2), get(0, 3, 4)}));
  CHECK_FALSE(good({set(1, 1, 2), get(9, 3, 4)}));
}

TEST_CASE("linearizability: a write of unknown outcome may show late, or never, but not and then again not") {
  CHECK(good({set(1, 1, 2), set(2, 3), get(1, 4, 5), get(2, 6, 7)}));
  CHECK(good({set(1, 1, 2), set(2, 3), get(1, 4, 5), get(1, 6, 7)}));
  CHECK_FALSE(good({set(1, 1, 2), set(2, 3), get(2, 4, 5), get(1, 6, 7)}));
  CHECK_FALSE(good({set(1, 1, 2), get(2, 3, 4), set(2, 5)}));  // It shows before it was sent.
  CHECK(good({set(1, 1, 2), erase(false, 3), get(0, 4, 5)}));  // An open delete, whatever it would have said.
}

TEST_CASE("linearizability: a read of unknown outcome says nothing") {
  CHECK(good({set(1, 1, 2), {Operation::Kind::kGet, 9, 3, kNever}}));
}

TEST_CASE("linearizability: what a delete says about the key must be right") {
  CHECK_FALSE(good({set(1, 1, 2), erase(false, 3, 4)}));
  CHECK_FALSE(good({erase(true, 1, 2)}));
  CHECK(good({set(1, 1, 2), erase(true, 3, 6), erase(false, 4, 5)}));
  CHECK_FALSE(good({set(1, 1, 2), erase(true, 3, 6), erase(true, 4, 5)}));
}

TEST_CASE("linearizability: a search that reaches its bound gives up and says so") {
  std::vector<Operation> operations;
  for (Value i = 1; i <= 12; ++i) operations.push_back(set(i, i, 100 + i));
  operations.push_back(get(99, 50, 51));
  CHECK(check(operations, kMissing, 100) == Verdict::kGaveUp);
  CHECK(check(operations, kMissing) == Verdict::kNotLinearizable);
}

namespace {

// A history as a right server would give: each operation takes effect at a random instant of its own.
std::vector<Operation> random_history(std::mt19937_64& random, int count) {
  std::vector<Operation> operations;
  Value state = kMissing;
  for (int i = 1; i <= count; ++i) {
    const Instant effect = static_cast<Instant>(i) * 1000;
    Operation operation{static_cast<Operation::Kind>(random() % 3), 0, effect - 1 - random() % 4000 * (i > 4),
                        effect + 1 + random() % 4000};
    if (operation.kind == Operation::Kind::kGet) operation.value = state;
    if (operation.kind == Operation::Kind::kDelete) operation.value = state != kMissing;
    if (operation.kind == Operation::Kind::kSet) operation.value = static_cast<Value>(i);
    if (operation.kind != Operation::Kind::kGet) {
      state = operation.kind == Operation::Kind::kSet ? operation.value : kMissing;
      if (random() % 20 == 0) operation.returned = kNever;
    }
    operations.push_back(operation);
  }
  return operations;
}

// The same question by trying every order: what the search must agree with.
bool by_hand(std::vector<Operation> left, Value state) {
  bool done = true;
  Instant first_return = kNever;
  for (const Operation& operation : left) {
    if (operation.returned == kNever) continue;
    done = false;
    first_return = std::min(first_return, operation.returned);
  }
  if (done) return true;
  for (std::size_t i = 0; i < left.size(); ++i) {
    const Operation& operation = left[i];
    if (operation.called > first_return) continue;
    const bool existed = state != kMissing;
    if (operation.kind == Operation::Kind::kGet && operation.value != state) continue;
    if (operation.kind == Operation::Kind::kDelete && operation.returned != kNever &&
        (operation.value != 0) != existed) {
      continue;
    }
    Value after = state;
    if (operation.kind == Operation::Kind::kSet) after = operation.value;
    if (operation.kind == Operation::Kind::kDelete) after = kMissing;
    std::vector<Operation> rest = left;
    rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
    if (by_hand(std::move(rest), after)) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("linearizability: long histories of a right server are good, one wrong read in them is found") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Operation> operations = random_history(random, 300);
    INFO("round " << round << "\n" << describe(operations));
    CHECK(good(operations));
    operations.push_back(get(12345, 100'000, 100'001));
    CHECK_FALSE(good(operations));
  }
}

TEST_CASE("linearizability: on small histories, right and wrong ones, it agrees with trying every order") {
  std::mt19937_64 random(11);
  int wrong = 0;
  for (int round = 0; round < 3000; ++round) {
    std::vector<Operation> operations = random_history(random, 7);
    Operation& spoilt = operations[random() % operations.size()];
    if (spoilt.kind == Operation::Kind::kGet) spoilt.value = random() % 8;
    if (spoilt.kind == Operation::Kind::kDelete) spoilt.value = random() % 2;
    INFO(describe(operations));
    const bool expected = by_hand(operations, kMissing);
    wrong += !expected;
    CHECK(good(operations) == expected);
  }
  CHECK(wrong > 300);
}

}  // namespace kv::linearizability
