// A journal on a disk in memory, in segments of 1 MiB.
#pragma once

#include <catch2/catch.hpp>

#include "tests/persistence/journal_fixture.h"
#include "tests/support/faulty_file_system.h"

namespace kv {

struct DiskStory {
  DiskStory() : story(fs) {
    REQUIRE(fs.make_directory("/aof").ok());
    fs.make_durable();
    story.directory_ = "/aof";
    story.options_.settings.segment_bytes = 1 << 20;
    story.options_.record_bytes_max = 512 << 10;
  }
  absl::Status outcome(std::size_t index) {
    story.outcomes_.wait_for(index + 1);
    return story.outcomes_.all()[index].second;
  }
  FaultyFileSystem fs;
  JournalFixture story;
};

}  // namespace kv
