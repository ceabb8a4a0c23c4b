// What becomes of each operation of a pipeline, event by event, without a network.
#include "client/pending_operations.h"

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/error.h"
#include "tests/client/pending_book.h"

using namespace kv;
using namespace std::chrono_literals;
namespace v1 = kvstore::v1;

TEST_CASE("pending: the first two messages go at once, later ones when they are full") {
  Book book({.message_operations_max = 3});
  book.add("a");
  CHECK(book.send() == Names{"a"});
  book.add("b");
  CHECK(book.send() == Names{"b"});
  book.add("c");
  book.add("d");
  CHECK(book.send().empty());
  book.add("e");
  book.add("f");
  CHECK(book.send() == Names{"c", "d", "e"});
  CHECK(book.send().empty());
  CHECK(book.answer(0).ok());
  CHECK(book.send().empty());
  CHECK(book.answer(1).ok());
  CHECK(book.send() == Names{"f"});
  CHECK(book.ends() == Names{"a ok", "b ok"});
}

TEST_CASE("pending: messages under way are bounded, by number and each by its bytes") {
  Book book({.message_operations_max = 2, .message_bytes_max = 1000, .messages_in_flight_max = 3});
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g", "h"}) book.add(key, {.value_bytes = 450});
  CHECK(book.send() == Names{"a", "b"});
  CHECK(book.send() == Names{"c", "d"});
  CHECK(book.send() == Names{"e", "f"});
  CHECK(book.send().empty());
  CHECK(book.answer(2).ok());
  CHECK(book.send() == Names{"g", "h"});
  Book other({.message_bytes_max = 1000});
  for (const char* key : {"a", "b", "c"}) other.add(key, {.value_bytes = 600});
  CHECK(other.send() == Names{"a"});
  CHECK(other.send() == Names{"b"});
  Book large({.message_bytes_max = 1000});
  large.add("larger than a message", {.value_bytes = 5000});
  large.add("b");
  CHECK(large.send() == Names{"larger than a message"});
}

TEST_CASE("pending: an operation that a server may refuse by ending the stream is under way alone") {
  constexpr std::size_t kLarge = std::size_t{5} << 20;
  Book book;
  book.add("a");
  CHECK(book.send() == Names{"a"});
  book.add("large", {.value_bytes = kLarge});
  book.add("b");
  CHECK(book.send().empty());
  CHECK(book.answer(0).ok());
  CHECK(book.send() == Names{"large"});
  CHECK(book.send().empty());
  book.stream_ends({.why = absl::ResourceExhaustedError("larger than max")});
  CHECK(book.ends() == Names{"a ok", "large RESOURCE_EXHAUSTED?"});
  CHECK(book.send() == Names{"b"});
}

TEST_CASE("pending: callbacks come in the order of submission, whatever the order of the answers") {
  Book book({.message_operations_max = 2});
  for (const char* key : {"a", "b", "c", "d", "e"}) book.add(key);
  book.send();
  book.send();
  CHECK(book.answer(1).ok());
  CHECK(book.ends().empty());
  CHECK(book.answer(0).ok());
  CHECK(book.ends() == Names{"a ok", "b ok", "c ok", "d ok"});
}

TEST_CASE("pending: what was sent and not answered goes first over the next stream, in its order") {
  Book book({.message_operations_max = 2});
  for (const char* key : {"a", "b", "c", "d", "e", "f", "g"}) book.add(key, {.write = *key != 'c'});
  book.send();
  book.send();
  book.send();
  CHECK(book.answer(1).ok());  // c, d
  book.stream_ends(broken());
  CHECK(book.send() == Names{"a", "b"});
  CHECK(book.send() == Names{"e", "f"});
  CHECK(book.send().empty());
  CHECK(book.answer(3).ok());
  CHECK(book.send() == Names{"g"});
  CHECK(book.answer(4).ok());
  CHECK(book.answer(5).ok());
  CHECK(book.ends() == Names{"a ok", "b ok", "c ok", "d ok", "e ok", "f ok", "g ok"});
}

TEST_CASE("pending: a late answer of the broken stream is an answer to nothing") {
  Book book;
  book.add("a");
  book.send();
  book.stream_ends(broken());
  book.send();
  CHECK(absl::IsInternal(book.answer(0)));
  CHECK(book.answer(1).ok());
  CHECK(book.ends() == Names{"a ok"});
}

TEST_CASE("pending: a write without an id is not sent twice, a read is, and what was not sent is still to be") {
  Book book({.message_operations_max = 2});
  book.add("write", {.repeatable = false});
  book.add("read", {.write = false});
  book.send();
  book.add("later", {.repeatable = false});
  book.stream_ends(broken());
  CHECK(book.ends() == Names{"write UNAVAILABLE?"});
  CHECK(book.send() == Names{"read", "later"});
}

TEST_CASE("pending: a write that may have been done is sent again within its bound, and ends in doubt behind it") {
  Book book({.resend_for = 1s, .message_operations_max = 3});
  for (const char* key : {"a", "read", "b"}) book.add(key, {.write = *key != 'r'});
  CHECK(book.send() == Names{"a", "read", "b"});
  book.now += 600ms;
  book.add("young");
  CHECK(book.send() == Names{"young"});
  book.stream_ends(broken());
  book.now += 399ms;
  CHECK(book.send() == Names{"a", "read", "b"});
  CHECK(book.send() == Names{"young"});
  book.stream_ends(broken());
  book.add("never sent");
  book.now += 1ms;  // It counts from the first time.
  CHECK(book.send() == Names{"read", "young", "never sent"});
  CHECK(book.ends() == Names{"a UNAVAILABLE?"});
  CHECK(book.answer(4).ok());
  CHECK(book.ends() == Names{"read ok", "b UNAVAILABLE?", "young ok", "never sent ok"});
}

TEST_CASE("pending: the bound of sending again does not count what surely was not done, and may be nothing") {
  Book book({.resend_for = 1s});
  book.add("a");
  book.send();
  book.stream_ends({.why = error(Reason::kOverloaded, "later"), .again = true, .doubt = false});
  book.now += 2s;
  CHECK(book.send() == Names{"a"});
  book.now += 999ms;
  book.stream_ends(broken());
  CHECK(book.send() == Names{"a"});
  Book never({.resend_for = 0ms});
  never.add("a");
  never.send();
  never.stream_ends(broken());
  CHECK(never.send().empty());
  CHECK(never.ends() == Names{"a UNAVAILABLE?"});
}

TEST_CASE("pending: an operation has as many attempts as the policy gives, each stream one") {
  Book book({.call = {.retry = {.attempts = 3}}});
  book.add("a");
  for (int i = 0; i < 2; ++i) {
    CHECK(book.send() == Names{"a"});
    book.stream_ends(broken());
    CHECK(book.ends().empty());
  }
  book.send();
  book.add("b");  // Its first attempt is still to come.
  book.stream_ends(broken());
  CHECK(book.ends() == Names{"a UNAVAILABLE?"});
  for (int i = 0; i < 3; ++i) book.stream_ends(broken());  // Streams that did not come to stand.
  CHECK(book.ends() == Names{"b UNAVAILABLE"});
}

TEST_CASE("pending: a doubt of the first attempt outlives streams that surely did nothing") {
  Book book({.call = {.retry = {.attempts = 2}}});
  book.add("a");
  book.send();
  book.stream_ends(broken());
  book.send();
  book.stream_ends({.why = error(Reason::kLoading, "3 %"), .again = true, .doubt = false});
  CHECK(book.ends() == Names{"a UNAVAILABLE?"});
  book.add("b");
  book.send();
  book.stream_ends({.why = error(Reason::kLoading, "3 %"), .again = false, .doubt = false});
  CHECK(book.ends() == Names{"b UNAVAILABLE"});
}

TEST_CASE("pending: an end that is no break is told to what was sent, and the rest goes on") {
  Book book({.message_operations_max = 1});
  book.add("a");
  book.add("b");
  book.add("c");
  book.send();
  book.send();
  book.stream_ends({.why = absl::InternalError("a bug"), .again = false});
  CHECK(book.ends() == Names{"a INTERNAL?", "b INTERNAL?"});
  CHECK(book.send() == Names{"c"});
}

TEST_CASE("pending: time that runs out ends an operation wherever it is, and its late answer is passed over") {
  Book book({.call = {.timeout = 5s}, .message_operations_max = 1, .messages_in_flight_max = 1});
  book.add("sent");
  book.add("read", {.write = false});
  book.send();
  book.now += 1s;
  book.add("young");
  CHECK(*book.pending.next_deadline() == PendingOperations::Clock::time_point{} + 5s);
  book.now += 4s;
  CHECK(book.expire());
  CHECK(book.ends() == Names{"sent DEADLINE_EXCEEDED?", "read UNAVAILABLE"});
  CHECK(book.answer(0).ok());
  CHECK(book.send() == Names{"young"});
  CHECK(book.answer(1).ok());
  CHECK(book.ends() == Names{"young ok"});
}

TEST_CASE("pending: a stream is silent when nothing was answered since the operation was sent, else it is only slow") {
  Book book({.call = {.timeout = 5s}, .message_operations_max = 1});
  book.add("a");
  book.send();
  book.add("b");
  book.send();
  CHECK(book.answer(1).ok());
  book.now += 5s;
  CHECK_FALSE(book.expire());
  CHECK(book.ends() == Names{"a DEADLINE_EXCEEDED?", "b ok"});
}

TEST_CASE("pending: a read that found no room in an answer is asked again, a write is told") {
  Book book({.message_operations_max = 4});
  book.add("a", {.write = false});
  book.add("b", {.write = false});
  book.add("c");
  book.send();
  CHECK(book.answer(book.answer_to(0, {0, 2})).ok());
  CHECK(book.send() == Names{"a"});
  // Alone, and still too large.
  CHECK(book.answer(book.answer_to(1, {0})).ok());
  CHECK(book.ends() == Names{"a RESOURCE_EXHAUSTED", "b ok", "c RESOURCE_EXHAUSTED"});
}

TEST_CASE("pending: what is no answer to what was asked is refused, and nothing of it taken") {
  const auto spoiled = [](auto spoil) {
    Book book;
    book.add("a", {.write = false});
    book.send();
    v1::PipelineResponse response = book.answer_to(0);
    spoil(response);
    const absl::Status taken = book.answer(std::move(response));
    return absl::IsInternal(taken) && book.ends().empty();
  };
  CHECK(spoiled([](auto& response) { response.set_id(77); }));
  CHECK(spoiled([](auto& response) { response.clear_results(); }));
  CHECK(spoiled([](auto& response) { *response.add_results() = response.results(0); }));
  CHECK(spoiled([](auto& response) { response.mutable_results(0)->clear_result(); }));
  CHECK(spoiled([](auto& response) { response.mutable_results(0)->mutable_set(); }));
  CHECK(spoiled([](auto& response) { response.mutable_results(0)->mutable_error()->set_code(0); }));
  CHECK(spoiled([](auto& response) { response.mutable_results(0)->mutable_error()->set_code(99); }));
}

TEST_CASE("pending: there is room for so many operations and so many bytes, and for one of any size") {
  Book book({.operations_in_flight_max = 2, .bytes_in_flight_max = 1000});
  CHECK(book.add("of any size", {.value_bytes = 5000}));
  CHECK_FALSE(book.add("x"));
  book.send();
  CHECK(book.answer(0).ok());
  CHECK(book.add("a", {.value_bytes = 600}));
  CHECK_FALSE(book.add("b", {.value_bytes = 600}));
  CHECK(book.add("b"));
  CHECK_FALSE(book.add("c"));
  CHECK(book.pending.next_deadline().has_value());
}

TEST_CASE("pending: while answers wait for one before them, no more than their bound is asked for") {
  Book book({.message_operations_max = 1, .bytes_in_flight_max = 1000});
  for (const char* key : {"first", "a", "b", "c"}) book.add(key, {.write = false});
  book.send();
  for (std::size_t i = 1; i <= 2; ++i) {
    book.send();
    v1::PipelineResponse response = book.answer_to(i);
    response.mutable_results(0)->mutable_get()->mutable_entry()->set_value(std::string(600, 'v'));
    CHECK(book.answer(std::move(response)).ok());
  }
  CHECK(book.send().empty());
  CHECK(book.answer(0).ok());
  CHECK(book.ends() == Names{"first ok", "a ok", "b ok"});
  CHECK(book.send() == Names{"c"});
}

TEST_CASE("pending: closed, it ends what it has and what comes") {
  Book book;
  book.add("sent");
  book.send();
  book.add("waits");
  book.pending.close(absl::CancelledError("closing"));
  book.add("late");
  book.pending.deliver();
  CHECK(book.ends() == Names{"sent CANCELLED?", "waits CANCELLED", "late CANCELLED"});
  CHECK(book.pending.empty());
}
