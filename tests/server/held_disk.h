// A disk with a directory for a log, whose syncs of data, or calls of another kind, can be held back, and made to fail.
#pragma once

#include <catch2/catch.hpp>

#include "tests/support/disk_gate.h"
#include "tests/support/faulty_file_system.h"

namespace kv {

struct HeldDisk {
  explicit HeldDisk(DiskCall kind = DiskCall::kSyncData) : gate(fs, kind) { REQUIRE(fs.make_directory("/log").ok()); }
  void hold(bool on) {
    if (on) {
      gate.close();
    } else {
      gate.open();
    }
  }

  FaultyFileSystem fs;
  DiskGate gate;
};

}  // namespace kv
