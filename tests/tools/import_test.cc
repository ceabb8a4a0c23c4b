// import-original: golden files that a Go program wrote (tests/testdata/original-1/make.go), and every doubt that the
// original's formats leave.
#include <algorithm>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "tests/persistence/storage_fixture.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/source_tree.h"
#include "tests/tools/tool_fixture.h"
#include "tools/gob.h"

namespace kv {
namespace {

constexpr const char* kSnapshotBefore = "/s/snapshot-20240101T120000.rdb";
constexpr const char* kLogBehind = "/l/appendonly-20240101T130000.aof";

// The original's two folders, on a disk in memory.
class Original {
 public:
  Original() {
    REQUIRE(fs_.make_directory("/s").ok());
    REQUIRE(fs_.make_directory("/l").ok());
  }
  Original& file(const std::string& path, const std::string& text) {
    fs_.put(path, text);
    return *this;
  }
  ToolRun import(bool take_likely = false) {
    tools::Words with = words("import-original", "/s", "/new");
    with.second_path = "/l";
    with.take_likely = take_likely;
    return ToolRun(with, fs_);
  }
  // What the new store holds, as dump shows it.
  Data data() {
    Data data;
    const ToolRun dump(words("dump", "/new/snapshots/0000000000000001.snap"), fs_);
    CHECK(dump.code() == 0);
    for (const auto& line : dump.objects()) {
      if (line.contains("key")) data[line["key"]] = line.value("value", "(binary)");
    }
    return data;
  }

 private:
  FaultyFileSystem fs_;
};

std::string golden(const std::string& name) {
  return *read_file(posix_file_system(), source_path("tests/testdata/original-1" + name), 1 << 20);
}

std::vector<std::string> reasons(const ToolRun& run) {
  std::vector<std::string> all;
  for (const auto& line : run.objects()) {
    if (line.contains("doubtful") && line.contains("why")) all.push_back(line["why"]);
  }
  return all;
}

TEST_CASE("import: the golden snapshot and log become a store that the storage starts on") {
  TempDirectory directory;
  tools::Words with =
      words("import-original", source_path("tests/testdata/original-1/snapshots"), directory.file("new"));
  with.second_path = source_path("tests/testdata/original-1/logs");
  const ToolRun run(with);
  INFO(run.out() << run.error());
  CHECK(run.code() == 0);
  StorageFixture server(Mode::kHybrid);
  server.adopt(directory.file("new"));
  server.start();
  std::string every;
  for (int i = 0; i < 256; ++i) every += static_cast<char>(i);
  CHECK(server.data() == Data{{"user", "janedoe"},
                              {"empty", ""},
                              {"empty2", ""},
                              {"binary", every},
                              {"long", std::string(70000, 'x')},
                              {"certain", std::string(100000, 'y')},
                              {"ключ", "значение"}});
  server.put("new", "1");
  server.restart();
  CHECK(server.data().size() == 8);
}

TEST_CASE("import: each line that can be read in two ways is listed with its reason, and not imported") {
  struct Case {
    const char* log;
    const char* why;
    Data certain, likely;
  };
  const Case cases[] = {
      {"SET a b c\n", "several blanks", {}, {{"a", "b c"}}},
      {"SET a  b\n", "several blanks", {}, {{"a", " b"}}},
      {"SET k 1\nSET k line\nrest\nSET z 1\n",
       "no command",
       {{"k", "1"}, {"z", "1"}},
       {{"k", "line\nrest"}, {"z", "1"}}},
      {"SET whole 1\nSET torn 12", "middle of this line", {{"whole", "1"}}, {{"whole", "1"}, {"torn", "12"}}},
      {"SET k 1\nDEL k", "middle of this line", {{"k", "1"}}, {}},
      {"SET cut\nSET z 1\n", "no value", {{"z", "1"}}, {{"cut", ""}, {"z", "1"}}},
      {"rest of something\nSET z 1\n", "none before it", {{"z", "1"}}, {{"z", "1"}}},
      {"SET  v\nSET z 1\n", "the key is empty", {{"z", "1"}}, {{"z", "1"}}},
      {"DEL \nSET z 1\n", "the key is empty", {{"z", "1"}}, {{"z", "1"}}},
      {"SET \xff 1\nSET z 1\n", "not UTF-8", {{"z", "1"}}, {{"z", "1"}}},
  };
  for (const Case& one : cases) {
    INFO(one.log);
    for (const bool likely : {false, true}) {
      Original original;
      const ToolRun run = original.file(kLogBehind, one.log).import(likely);
      CHECK(run.code() == 3);
      const auto why = reasons(run);
      REQUIRE(why.size() == 1);
      CHECK(why[0].find(one.why) != std::string::npos);
      CHECK(original.data() == (likely ? one.likely : one.certain));
    }
  }
}

TEST_CASE("import: a delete names its key to the end of the line, blanks included; values may be empty or long") {
  Original original;
  original.file(kLogBehind, "SET a 1\nDEL a\nDEL two words\nSET empty \nSET long " + std::string(200'000, 'x') + "\n");
  CHECK(original.import().code() == 0);
  CHECK(original.data() == Data{{"empty", ""}, {"long", std::string(200'000, 'x')}});
}

TEST_CASE("import: which of snapshot and log is newer is told by the names, or doubtful") {
  const std::string snapshot = golden("/snapshots/snapshot-20240102T120000.rdb");
  const auto with_log = [&](const std::string& name, const std::string& text) {
    auto original = std::make_unique<Original>();
    original->file("/s/snapshot-20240102T120000.rdb", snapshot).file("/l/" + name, text);
    return original;
  };
  SECTION("a log begun later is newer") {
    auto original = with_log("appendonly-20240102T120001.aof", "SET user new\n");
    CHECK(original->import().code() == 0);
    CHECK(original->data()["user"] == "new");
  }
  SECTION("a log that was closed before is in the snapshot") {
    auto original = with_log("appendonly-20240101T000000.aof", "SET user old\n");
    original->file("/l/appendonly-20240102T110000.aof", "SET user johndoe\n");
    CHECK(original->import().code() == 0);
    CHECK(original->data()["user"] == "johndoe");
  }
  SECTION("a log that was open meanwhile: what agrees is certain, what does not is doubtful") {
    auto original =
        with_log("appendonly-20240102T110000.aof", "SET user x\nSET user johndoe\nSET removed earlier\nDEL long\n");
    const ToolRun run = original->import();
    CHECK(run.code() == 3);
    CHECK(reasons(run).size() == 2);
    CHECK(original->data()["removed"] == "later");
    auto again = with_log("appendonly-20240102T110000.aof", "SET removed earlier\nDEL long\n");
    CHECK(again->import(true).code() == 3);
    CHECK(again->data()["removed"] == "earlier");
    CHECK(again->data().count("long") == 0);
  }
}

TEST_CASE("import: a broken newest snapshot is listed and the older one is used; strange files are listed") {
  Original original;
  original.file("/s/snapshot-20240102T120000.rdb", golden("/snapshots/snapshot-20240102T120000.rdb"))
      .file("/s/snapshot-20240103T120000.rdb", golden("/snapshots/snapshot-20240102T120000.rdb").substr(0, 1000))
      .file("/s/notes.txt", "mine");
  const ToolRun run = original.import();
  CHECK(run.code() == 3);
  CHECK(reasons(run).size() == 2);
  CHECK(original.data().size() == 7);
}

TEST_CASE("import: nothing to import is a usage error, and NEW must not be there") {
  Original original;
  CHECK(original.import().code() == 2);
  original.file(kLogBehind, "SET a 1\n");
  CHECK(original.import().code() == 0);
  CHECK(original.import().code() == 7);
}

TEST_CASE("gob: an empty map, and every cut and every flipped bit of a small one: a map of the same form, or damage") {
  Original empty;
  CHECK(empty.file(kSnapshotBefore, golden("/snapshots/snapshot-20240101T120000.rdb")).import().code() == 0);
  CHECK(empty.data().empty());

  // The same type's definition, and a value written by hand: two pairs.
  const std::string type = golden("/snapshots/snapshot-20240101T120000.rdb").substr(0, 15);
  const std::string small = type + std::string(
                                       "\x10\xff\x82\x00\x02\x01"
                                       "a\x03"
                                       "one\x01"
                                       "b\x03"
                                       "two",
                                       17);
  FaultyFileSystem fs;
  REQUIRE(fs.make_directory("/s").ok());
  const auto read = [&](const std::string& bytes) {
    fs.put("/s/gob", bytes);
    Data data;
    const auto file = tools::FileView::open(fs, "/s/gob");
    REQUIRE(file.ok());
    const auto count = tools::read_gob_map(**file, [&](std::string_view key, std::string_view value) {
      data[std::string(key)] = value;
      return absl::OkStatus();
    });
    if (!count.ok()) CHECK(tools::is_damage(count.status()));
    return count.ok() ? std::optional(data) : std::nullopt;
  };
  REQUIRE(read(small) == Data{{"a", "one"}, {"b", "two"}});
  for (std::size_t size = 0; size < small.size(); ++size) CHECK(!read(small.substr(0, size)));
  for (std::size_t bit = 0; bit < small.size() * 8; ++bit) {
    std::string flipped = small;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    const auto data = read(flipped);
    // No checksum: a letter may change. The form may not.
    if (data) CHECK(data->size() <= 2);
  }
}

}  // namespace
}  // namespace kv
