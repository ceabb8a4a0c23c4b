#include <algorithm>
#include <atomic>
#include <mutex>
#include <random>
#include <thread>

#include <catch2/catch.hpp>

#include "core/error.h"
#include "server/scan_token.h"
#include "tests/server/range_fixture.h"
#include "tests/support/faulty_file_system.h"

using namespace kv;
using grpc::StatusCode;

namespace {

v1::ScanRequest relaxed() {
  v1::ScanRequest request;
  request.set_consistency(v1::SCAN_CONSISTENCY_RELAXED);
  return request;
}

}  // namespace

TEST_CASE(
    "scan: every key comes once, at one revision, with its metadata and without its value unless it is asked for") {
  RangeFixture f;
  f.fill(500);
  v1::SetRequest expiring = RangeFixture::to_set("expires", "value");
  expiring.mutable_expiry()->mutable_ttl()->set_seconds(100);
  REQUIRE(f.set(expiring).ok());
  const Scanned scanned = f.scan();
  REQUIRE(scanned.ok());
  CHECK(scanned.shown == 501);
  CHECK(scanned.entries.size() == 501);
  CHECK(scanned.chunks.back().revision() == 501);
  CHECK(scanned.chunks.back().examined() == 501);
  CHECK(scanned.token().empty());
  const v1::Entry& entry = scanned.entries.at("expires");
  CHECK(entry.value().empty());
  CHECK(entry.type() == v1::VALUE_TYPE_STRING);
  CHECK(entry.version() == 501);
  CHECK(entry.create_version() == 501);
  CHECK(entry.size_bytes() > 12);
  CHECK(entry.expire_time().seconds() * 1000 + entry.expire_time().nanos() / 1'000'000 == f.clock.now() + 100'001);

  v1::ScanRequest with_values;
  with_values.set_include_values(true);
  CHECK(f.scan(with_values).entries.at("expires").value() == "value");
}

TEST_CASE("scan: an empty store is one last chunk without a token") {
  RangeFixture f;
  for (const v1::ScanRequest& request : {v1::ScanRequest(), relaxed()}) {
    const Scanned scanned = f.scan(request);
    CHECK(scanned.ok());
    CHECK(scanned.chunks.size() == 1);
    CHECK(scanned.shown == 0);
    CHECK(scanned.token().empty());
  }
}

TEST_CASE("scan: range, glob and type select, and what is due is not there") {
  RangeFixture f;
  for (const char* key : {"a", "ab", "abc", "b", "ba", "c*", "cd"}) REQUIRE(f.set(key, "v").ok());
  v1::SetRequest due = RangeFixture::to_set("abd", "v");
  due.mutable_expiry()->mutable_ttl()->set_nanos(1'000'000);
  REQUIRE(f.set(due).ok());
  f.clock.advance(std::chrono::milliseconds(2));
  const auto keys_of = [&](const std::function<void(v1::ScanRequest&)>& change) {
    v1::ScanRequest request = GENERATE(v1::ScanRequest(), relaxed());
    change(request);
    const Scanned scanned = f.scan(request);
    REQUIRE(scanned.ok());
    return scanned.keys();
  };
  using Keys = std::vector<std::string>;
  CHECK(keys_of([](auto& r) { r.mutable_range()->set_prefix("ab"); }) == Keys{"ab", "abc"});
  CHECK(keys_of([](auto& r) { r.mutable_range()->set_start("ab"), r.mutable_range()->set_end("ba"); }) ==
        Keys{"ab", "abc", "b"});
  CHECK(keys_of([](auto& r) { r.mutable_range()->set_start("ba"); }) == Keys{"ba", "c*", "cd"});
  CHECK(keys_of([](auto& r) { r.set_glob("?b*"); }) == Keys{"ab", "abc"});
  CHECK(keys_of([](auto& r) { r.set_glob("c\\*"); }) == Keys{"c*"});
  CHECK(keys_of([](auto& r) { r.set_glob("[!a]"), r.mutable_range()->set_prefix("b"); }) == Keys{"b"});
  CHECK(keys_of([](auto& r) { r.set_type(v1::VALUE_TYPE_HASH); }).empty());
  CHECK(keys_of([](auto& r) { r.set_type(v1::VALUE_TYPE_STRING); }).size() == 7);
}

TEST_CASE("scan: what makes no sense is refused with its word") {
  RangeFixture f;
  const auto refused = [&](const std::function<void(v1::ScanRequest&)>& change) {
    v1::ScanRequest request;
    change(request);
    const Scanned scanned = f.scan(request);
    CHECK(scanned.chunks.empty());
    return scanned.reason();
  };
  CHECK(refused([](auto& r) { r.mutable_range()->set_prefix("a"), r.mutable_range()->set_end("b"); }) ==
        "RANGE_INVALID");
  CHECK(refused([](auto& r) { r.mutable_range()->set_start("b"), r.mutable_range()->set_end("a"); }) ==
        "RANGE_INVALID");
  CHECK(refused([](auto& r) { r.set_glob("[a"); }) == "PATTERN_INVALID");
  CHECK(refused([](auto& r) { r.set_ordered(true); }) == "INDEX_DISABLED");
  CHECK(refused([](auto& r) { r.set_type(static_cast<v1::ValueType>(77)); }) == "FIELD_INVALID");
  CHECK(refused([](auto& r) { r.set_consistency(static_cast<v1::ScanConsistency>(3)); }) == "FIELD_INVALID");
  CHECK(refused([](auto& r) { r.set_resume_token("x"); }) == "TOKEN_INVALID");
  CHECK(refused([](auto& r) { r.GetReflection()->MutableUnknownFields(&r)->AddVarint(15, 1); }) == "FIELD_INVALID");
}

TEST_CASE("scan: chunks hold whole entries and stay below what a client takes by default") {
  RangeFixture f;
  const std::string largest((4 << 20) - (4 << 10) - 1, 'v');
  REQUIRE(f.set("1", largest).ok());
  REQUIRE(f.set("2", largest).ok());
  f.fill(300, "small ", std::string(1000, 's'));
  v1::ScanRequest request;
  request.set_include_values(true);
  const std::uint32_t asked = GENERATE(0U, 1U, 5000U, 0xffff'ffffU);
  request.set_max_chunk_bytes(asked);
  const Scanned scanned = f.scan(request);
  REQUIRE(scanned.ok());
  CHECK(scanned.shown == 302);
  CHECK(scanned.entries.at("1").value() == largest);
  for (const v1::ScanResponse& chunk : scanned.chunks) {
    CHECK(chunk.ByteSizeLong() < (4 << 20));
    if (asked == 1) CHECK(chunk.entries_size() <= 1);
    if (asked == 5000 && chunk.entries_size() > 1) CHECK(chunk.ByteSizeLong() <= 5000);
  }
}

TEST_CASE("scan: with a limit the last token goes on, until nothing is left") {
  RangeFixture f;
  f.fill(1000);
  v1::ScanRequest request = GENERATE(v1::ScanRequest(), relaxed());
  request.set_limit(300);
  Scanned all;
  int pages = 0;
  do {
    const Scanned page = f.scan(request);
    REQUIRE(page.ok());
    CHECK(page.shown == (pages == 3 ? 100 : 300));
    for (const v1::ScanResponse& chunk : page.chunks) all.take(chunk);
    request.set_resume_token(page.token());
  } while (++pages < 20 && !request.resume_token().empty());
  CHECK(pages == 4);
  CHECK(all.shown == 1000);
  CHECK(all.entries.size() == 1000);
}

TEST_CASE("scan: the token of any chunk goes on right behind that chunk") {
  RangeFixture f;
  f.fill(400);
  v1::ScanRequest request;
  request.set_max_chunk_bytes(4000);
  const Scanned whole = f.scan(request);
  REQUIRE(whole.chunks.size() > 5);
  for (std::size_t cut = 0; cut + 1 < whole.chunks.size(); ++cut) {
    Scanned together;
    for (std::size_t i = 0; i <= cut; ++i) together.take(whole.chunks[i]);
    request.set_resume_token(whole.chunks[cut].resume_token());
    const Scanned rest = f.scan(request);
    REQUIRE(rest.ok());
    for (const v1::ScanResponse& chunk : rest.chunks) together.take(chunk);
    REQUIRE(together.shown == 400);
    REQUIRE(together.entries.size() == 400);
  }
}

TEST_CASE("scan: a token that is damaged, of another selection or of another store is refused") {
  const ScanIdentity identity{.store = 1, .request = 2};
  const WalkPlace place{3, 4};
  const std::string token = write_scan_token(identity, place);
  REQUIRE(read_scan_token(identity, token).ok());
  CHECK(*read_scan_token(identity, token) == place);
  CHECK(has_reason(read_scan_token({.store = 9, .request = 2}, token).status(), Reason::kTokenInvalid));
  CHECK(has_reason(read_scan_token({.store = 1, .request = 9}, token).status(), Reason::kTokenInvalid));
  CHECK(has_reason(read_scan_token(identity, token + "x").status(), Reason::kTokenInvalid));
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string damaged = token;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    REQUIRE(has_reason(read_scan_token(identity, damaged).status(), Reason::kTokenInvalid));
  }

  RangeFixture f;
  f.fill(20);
  v1::ScanRequest request;
  request.set_limit(5);
  const std::string real = f.scan(request).token();
  request.set_resume_token(real);
  request.set_include_values(true);  // what is shown of a key does not void it
  CHECK(f.scan(request).ok());
  request.mutable_range()->set_prefix("key 1");
  CHECK(f.scan(request).reason() == "TOKEN_INVALID");
}

TEST_CASE("scan: at its revision it equals the model, while four clients write, delete and add at full speed") {
  RangeFixture f;
  constexpr int kKeys = 3000;
  constexpr int kWriters = 4;
  // Each writer has keys of its own and notes every change with the revision it got.
  struct Note {
    Revision revision;
    std::string key;
    std::string value;  // empty: removed
  };
  std::mutex mutex;
  std::vector<Note> notes;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = std::to_string(i % kWriters) + " " + std::to_string(i);
    notes.push_back(
        {run_task(f.engine.write(operation_of(OperationKind::kSet, key, "first"), f.caller))->revision, key, "first"});
  }
  std::atomic<bool> stopping{false};
  std::atomic<int> written{0};
  std::vector<std::thread> writers;
  for (int number = 0; number < kWriters; ++number) {
    writers.emplace_back([&, number] {
      std::mt19937 random(static_cast<unsigned>(number));
      while (!stopping) {
        const std::string key = std::to_string(number) + " " + std::to_string(random() % (kKeys * 2));
        const std::string value = random() % 3 == 0 ? "" : "value " + std::to_string(random());
        const Operation operation =
            operation_of(value.empty() ? OperationKind::kDelete : OperationKind::kSet, key, value);
        const auto done = run_task(f.engine.write(operation, f.caller));
        if (!done.ok() || !done->applied) continue;
        const std::lock_guard lock(mutex);
        notes.push_back({done->revision, key, value});
        ++written;
      }
    });
  }
  v1::ScanRequest request;
  request.set_include_values(true);
  std::vector<Scanned> scans;
  for (int round = 0; round < 5; ++round) {
    while (written < round * 200) std::this_thread::yield();
    scans.push_back(f.scan(request));
  }
  stopping = true;
  for (std::thread& writer : writers) writer.join();
  std::sort(notes.begin(), notes.end(), [](const Note& a, const Note& b) { return a.revision < b.revision; });
  for (const Scanned& scanned : scans) {
    REQUIRE(scanned.ok());
    const Revision at = scanned.chunks.front().revision();
    std::map<std::string, std::pair<std::string, Revision>> model;
    for (const Note& note : notes) {
      if (note.revision > at) break;
      if (note.value.empty()) {
        model.erase(note.key);
      } else {
        model[note.key] = {note.value, note.revision};
      }
    }
    REQUIRE(scanned.shown == scanned.entries.size());
    REQUIRE(scanned.entries.size() == model.size());
    for (const auto& [key, expected] : model) {
      REQUIRE(scanned.entries.contains(key));
      REQUIRE(scanned.entries.at(key).value() == expected.first);
      REQUIRE(scanned.entries.at(key).version() == expected.second);
    }
    for (const v1::ScanResponse& chunk : scanned.chunks) REQUIRE(chunk.revision() == at);
  }
}

TEST_CASE("scan: past its budget it ends with SCAN_EXPIRED, and its last token goes on at a newer revision") {
  Limits limits;
  limits.scan_budget_bytes = 200'000;
  RangeFixture f({}, posix_file_system(), limits);
  f.fill(2000, "key ", std::string(4000, 'a'));
  v1::ScanRequest request;
  request.set_include_values(true);
  request.set_max_chunk_bytes(20'000);
  const auto stream = f.open_scan(request);
  Scanned scanned;
  v1::ScanResponse chunk;
  REQUIRE(stream->reader->Read(&chunk));
  scanned.take(chunk);
  const Revision first = chunk.revision();
  // Nobody reads, so the scan cannot be far; and it cannot keep all that is replaced now.
  f.fill(2000, "key ", std::string(4000, 'b'));
  while (stream->reader->Read(&chunk)) scanned.take(chunk);
  scanned.status = stream->reader->Finish();
  CHECK(scanned.status.error_code() == StatusCode::RESOURCE_EXHAUSTED);
  CHECK(scanned.reason() == "SCAN_EXPIRED");
  for (const auto& [key, entry] : scanned.entries) REQUIRE(entry.value().front() == 'a');

  request.set_resume_token(scanned.token());
  const Scanned rest = f.scan(request);
  REQUIRE(rest.ok());
  CHECK(rest.chunks.front().revision() > first);
  CHECK(rest.shown + scanned.shown == 2000);
  for (const auto& [key, entry] : rest.entries) {
    REQUIRE_FALSE(scanned.entries.contains(key));
    REQUIRE(entry.value().front() == 'b');
  }
}

TEST_CASE("scan: a reader that does not read holds back the scan, no writer, and nothing is lost") {
  RangeFixture f;
  f.fill(3000, "key ", std::string(10'000, 'v'));
  v1::ScanRequest request = GENERATE(v1::ScanRequest(), relaxed());
  request.set_include_values(true);
  const auto stream = f.open_scan(request);
  v1::ScanResponse chunk;
  REQUIRE(stream->reader->Read(&chunk));
  Scanned scanned;
  scanned.take(chunk);
  for (int i = 0; i < 3000; i += 10) REQUIRE(f.set("key " + std::to_string(i), "w").ok());
  // A scan that had run ahead would have shown the old values of all of them.
  while (stream->reader->Read(&chunk)) scanned.take(chunk);
  CHECK(stream->reader->Finish().ok());
  CHECK(scanned.shown == 3000);
  CHECK(scanned.entries.size() == 3000);
  int newer = 0;
  for (const auto& [key, entry] : scanned.entries) newer += entry.value() == "w" ? 1 : 0;
  if (request.consistency() == v1::SCAN_CONSISTENCY_RELAXED) {
    CHECK(newer > 100);
  } else {
    CHECK(newer == 0);
  }
}

TEST_CASE("scan: above the bound of scans the next one is refused, and a place is free when one has left") {
  Limits limits;
  limits.scans_max = 1;
  RangeFixture f({}, posix_file_system(), limits);
  f.fill(3000, "key ", std::string(10'000, 'v'));
  v1::ScanRequest request;
  request.set_include_values(true);
  const auto stream = f.open_scan(request);
  v1::ScanResponse chunk;
  REQUIRE(stream->reader->Read(&chunk));
  const Scanned refused = f.scan();
  CHECK(refused.reason() == "OVERLOADED");
  CHECK_THAT(refused.status.error_details(), Catch::Matchers::Contains("google.rpc.RetryInfo"));
  stream->context.TryCancel();
  while (stream->reader->Read(&chunk)) {
  }
  CHECK(stream->reader->Finish().error_code() == StatusCode::CANCELLED);
  Scanned next = f.scan();
  while (!next.ok()) next = f.scan();  // until the one that was cancelled has noticed
  CHECK(next.shown == 3000);
}

TEST_CASE("scan: under fsync ALWAYS nothing is shown before it is durable, and after a failed sync the scan says so") {
  FaultyFileSystem fs;
  REQUIRE(fs.make_directory("/log").ok());
  RangeFixture f(FsyncPolicy::kAlways, fs, {}, "/log");
  REQUIRE(f.set("safe", "v").ok());
  CHECK(f.scan().ok());
  CHECK(f.journal.durable() >= 1);
  fs.fail({.call = DiskCall::kSyncData, .from_then_on = true});
  CHECK_FALSE(f.set("lost", "v").ok());
  for (const v1::ScanRequest& request : {v1::ScanRequest(), relaxed()}) {
    const Scanned scanned = f.scan(request);
    CHECK(scanned.chunks.empty());
    CHECK(scanned.reason() == "NOT_DURABLE");
  }
  v1::MultiGetRequest request;
  request.add_keys("safe");
  CHECK(f.multi_get(request).first.ok());
  request.add_keys("lost");
  CHECK_THAT(f.multi_get(request).first.error_message(), Catch::Matchers::StartsWith("NOT_DURABLE"));
}

TEST_CASE("scan: a stop ends it, with a token that goes on, and no other begins") {
  RangeFixture f;
  f.fill(3000, "key ", std::string(10'000, 'v'));
  v1::ScanRequest request;
  request.set_include_values(true);
  const auto stream = f.open_scan(request);
  v1::ScanResponse chunk;
  REQUIRE(stream->reader->Read(&chunk));
  f.engine.stop_serving();
  const Scanned rest = stream->read_all();
  CHECK(rest.reason() == "SHUTTING_DOWN");
  CHECK(rest.shown < 3000);
  CHECK_FALSE(chunk.resume_token().empty());
  CHECK(f.scan().reason() == "SHUTTING_DOWN");
}
