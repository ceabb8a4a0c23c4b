// disk-check: what it measures, and that nothing of it stays.
#include <catch2/catch.hpp>

#include "tests/support/faulty_file_system.h"
#include "tests/support/temp_directory.h"
#include "tests/tools/tool_fixture.h"

namespace kv {
namespace {

TEST_CASE("disk-check: measures, cleans up, and names what it found") {
  TempDirectory directory;
  const ToolRun run(words("disk-check", directory.path()));
  CHECK(run.code() == 0);
  const auto report = run.object();
  CHECK(report["append"]["times"] == 200);
  CHECK(report["append"]["p99_us"] >= report["append"]["p50_us"]);
  CHECK(report["free_bytes"] > 0);
  CHECK(posix_file_system().list(directory.path())->empty());
  CHECK(ToolRun(words("disk-check", directory.file("nowhere"))).code() == 2);

  FaultyFileSystem fs;
  REQUIRE(fs.make_directory("/d").ok());
  fs.limit_capacity(4 << 20);
  const ToolRun small(words("disk-check", "/d"), fs);
  CHECK(small.code() == 7);
  CHECK(small.object()["enough_space"] == false);
  fs.fail({.call = DiskCall::kSyncData,
           .path_part = "",
           .after = 3,
           .error_number = EIO,
           .bytes_max = 1,
           .from_then_on = true});
  CHECK(ToolRun(words("disk-check", "/d"), fs).code() == 1);
  CHECK(fs.list("/d")->empty());
}

}  // namespace
}  // namespace kv
