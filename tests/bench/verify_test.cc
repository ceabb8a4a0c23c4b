#include <fstream>

#include <catch2/catch.hpp>

#include "bench/judge.h"
#include "bench/pipeline_caller.h"
#include "kvstore/v1/key_value_service.pb.h"
#include "tests/support/temp_directory.h"

namespace kv {
namespace {

Shot read_of(std::uint64_t key, const Ledger& ledger) {
  Shot shot;
  shot.operations = {{LoadKind::kRead, key, 0, 0}};
  note_floors(ledger, shot);
  shot.answers.resize(1);
  return shot;
}

TEST_CASE("judge: a read that misses what was acknowledged before it began is found, one that began earlier is not") {
  Ledger ledger;
  VerifyRecord record;
  Shot before = read_of(3, ledger);
  ledger.acknowledged(3, 17, 170);
  Shot after = read_of(3, ledger);
  before.answers[0].missing = after.answers[0].missing = true;
  judge(before, ledger, record);
  CHECK(record.checked == 1);
  CHECK(record.missing == 0);
  judge(after, ledger, record);
  CHECK(record.missing == 1);
  CHECK(record.examples.at(0) == "key number 3: missing; revision 17 was acknowledged");
}

TEST_CASE("judge: an older revision than the acknowledged one is found, the same and newer ones are right") {
  Ledger ledger;
  ledger.acknowledged(3, 17, 170);
  ledger.acknowledged(3, 12, 120);  // acknowledged later, written earlier
  for (const std::uint64_t revision : {16, 17, 18}) {
    VerifyRecord record;
    Shot shot = read_of(3, ledger);
    shot.answers[0].revision = revision;
    judge(shot, ledger, record);
    CHECK(record.missing == (revision < 17 ? 1 : 0));
    CHECK(record.wrong == 0);
  }
}

VerifyRecord judged(Ledger& ledger, std::string_view value, std::uint64_t revision) {
  VerifyRecord record;
  Shot shot = read_of(3, ledger);
  shot.answers[0].revision = revision;
  shot.answers[0].value = read_verified(value, 3);
  judge(shot, ledger, record);
  return record;
}

TEST_CASE("judge: a strange value is not ours while nothing of the key is acknowledged, and wrong after that") {
  Ledger ledger;
  const VerifyRecord before = judged(ledger, "somebody's", 5);
  CHECK(before.not_ours == 1);
  CHECK(before.wrong + before.missing == 0);
  CHECK(judged(ledger, verified_value(4, 1, 64), 5).wrong == 1);  // ours, of another key: nobody else did that
  ledger.acknowledged(3, 17, 170);
  const VerifyRecord after = judged(ledger, "somebody's", 18);
  CHECK(after.not_ours == 0);
  CHECK(after.wrong == 1);
}

TEST_CASE("judge: what a read-modify-write has read is judged like a read, and its write is acknowledged") {
  for (const bool known : {false, true}) {
    Ledger ledger;
    if (known) ledger.acknowledged(3, 17, 170);
    VerifyRecord record;
    Shot shot;
    shot.operations = {{LoadKind::kReadModifyWrite, 3, 64, 180}};
    note_floors(ledger, shot);
    shot.answers.resize(1);
    shot.answers[0].revision = 18;
    shot.answers[0].value = read_verified("somebody's", 3);
    judge(shot, ledger, record);
    CHECK(record.wrong == (known ? 1 : 0));
    CHECK(record.not_ours == (known ? 0 : 1));
    CHECK(ledger.floor(3) == 18);
  }
}

TEST_CASE("judge: an older value under a newer revision is found, one whose own revision it is is right") {
  Ledger ledger;
  ledger.acknowledged(3, 12, 120);
  ledger.acknowledged(3, 17, 170);
  CHECK(judged(ledger, verified_value(3, 170, 64), 17).wrong == 0);
  CHECK(judged(ledger, verified_value(3, 180, 64), 18).wrong == 0);  // not acknowledged yet
  CHECK(judged(ledger, verified_value(3, 120, 64), 17).examples.at(0) ==
        "key number 3: revision 17 has the value of another write than was acknowledged with it");
  CHECK(judged(ledger, verified_value(3, 120, 64), 18).examples.at(0) ==
        "key number 3: revision 18 has the value that was acknowledged with revision 12");
  CHECK(judged(ledger, verified_value(3, 120, 64), 18).wrong == 1);
}

TEST_CASE("judge: only writes that were answered well are acknowledged") {
  Ledger ledger;
  VerifyRecord record;
  Shot shot;
  shot.operations = {{LoadKind::kUpdate, 1, 64, 0}, {LoadKind::kInsert, 2, 64, 0}, {LoadKind::kIncrement, 3, 0, 0}};
  note_floors(ledger, shot);
  shot.answers.resize(3);
  shot.answers[0].status = absl::UnavailableError("away");
  shot.answers[1].revision = 5;
  shot.answers[2].revision = 6;
  judge(shot, ledger, record);
  CHECK(ledger.floor(1) == 0);
  CHECK(ledger.floor(2) == 5);
  CHECK(ledger.floor(3) == 0);
  CHECK(ledger.keys() == 3);
}

TEST_CASE("ledger: it comes back from its file, and a damaged file is no ledger") {
  const TempDirectory directory;
  const std::string path = directory.path() + "/ledger";
  Ledger ledger;
  ledger.key_bytes = 20;
  ledger.acknowledged(0, 4, 40);
  ledger.acknowledged(9, 1'000'000'000'000, 90);
  REQUIRE(ledger.save(path).ok());
  const auto loaded = Ledger::load(path);
  REQUIRE(loaded.ok());
  CHECK(loaded->keys() == 10);
  CHECK(loaded->key_bytes == 20);
  CHECK(loaded->floor(0) == 4);
  CHECK(loaded->floor(5) == 0);
  CHECK(loaded->floor(9) == 1'000'000'000'000);
  CHECK_FALSE(loaded->contradiction(9, 1'000'000'000'000, 90).has_value());
  CHECK(loaded->contradiction(9, 1'000'000'000'000, 91).has_value());

  std::ifstream file(path);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  text[text.find("1000000")] = '2';
  std::ofstream(path) << text;
  CHECK(Ledger::load(path).status().code() == absl::StatusCode::kDataLoss);
  CHECK(Ledger::load(directory.path() + "/nothing").status().code() == absl::StatusCode::kNotFound);
}

// What a server answers to a read, a set and an increment.
kvstore::v1::PipelineResponse answers() {
  kvstore::v1::PipelineResponse response;
  response.set_id(1);
  auto& entry = *response.add_results()->mutable_get()->mutable_entry();
  entry.set_value(verified_value(7, 1, 64));
  entry.set_version(41);
  response.add_results()->mutable_set()->mutable_write()->set_revision(42);
  response.add_results()->mutable_increment()->mutable_write()->set_revision(43);
  return response;
}

Shot asked() {
  Shot shot;
  shot.operations = {{LoadKind::kRead, 7, 0, 0}, {LoadKind::kUpdate, 8, 64, 0}, {LoadKind::kIncrement, 9, 0, 0}};
  return shot;
}

TEST_CASE("pipeline answers: values, revisions and errors are read as protobuf wrote them") {
  Shot shot = asked();
  auto response = answers();
  REQUIRE(read_answers(response.SerializeAsString(), true, shot));
  CHECK(shot.answers[0].revision == 41);
  CHECK(shot.answers[0].bytes == 64);
  CHECK(shot.answers[0].value->fault.empty());
  CHECK(shot.answers[0].value->sequence == 1);
  CHECK_FALSE(shot.answers[0].missing);
  CHECK(shot.answers[1].revision == 42);
  CHECK(shot.answers[1].bytes == 64);
  CHECK(shot.answers[2].revision == 43);

  response.mutable_results(0)->mutable_get()->clear_entry();
  auto& error = *response.mutable_results(1)->mutable_error();
  error.set_code(14);
  error.set_reason("LOADING");
  error.set_message("LOADING: soon");
  REQUIRE(read_answers(response.SerializeAsString(), true, shot));
  CHECK(shot.answers[0].missing);
  CHECK(error_name(shot.answers[1].status) == "UNAVAILABLE LOADING");
}

TEST_CASE("pipeline answers: they are known by their id, because they come in any order") {
  auto response = answers();
  response.set_id(1'000'000);
  CHECK(id_of_answer(response.SerializeAsString()) == 1'000'000);
  response.clear_id();
  CHECK(id_of_answer(response.SerializeAsString()) == 0);
  CHECK(id_of_answer("") == 0);
}

TEST_CASE("pipeline answers: too few, too many, of another kind, or cut short are refused") {
  Shot shot = asked();
  auto few = answers();
  few.mutable_results()->RemoveLast();
  CHECK_FALSE(read_answers(few.SerializeAsString(), false, shot));
  auto many = answers();
  many.add_results()->mutable_get();
  CHECK_FALSE(read_answers(many.SerializeAsString(), false, shot));
  auto other = answers();
  other.mutable_results(0)->mutable_set();
  CHECK_FALSE(read_answers(other.SerializeAsString(), false, shot));
  const std::string whole = answers().SerializeAsString();
  CHECK_FALSE(read_answers(std::string_view(whole).substr(0, whole.size() - 1), false, shot));
  CHECK_FALSE(read_answers("", false, shot));
}

}  // namespace
}  // namespace kv
