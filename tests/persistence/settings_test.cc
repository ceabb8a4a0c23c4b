#include "persistence/settings.h"

#include <catch2/catch.hpp>

#include "core/absl_text.h"
#include "core/error.h"
#include "persistence/setting_names.h"

namespace kv {
namespace {

using namespace std::chrono_literals;

bool names(const absl::Status& status, std::string_view text) {
  return message_of(status).find(text) != std::string_view::npos;
}

TEST_CASE("settings: mode words are read in any case, dashes and underlines alike") {
  CHECK(*parse_mode("hybrid") == Mode::kHybrid);
  CHECK(*parse_mode("Non-Persistent") == Mode::kNonPersistent);
  CHECK(*parse_mode("NON_PERSISTENT") == Mode::kNonPersistent);
  CHECK(*parse_mode("aof") == Mode::kAof);
  CHECK(*parse_mode("SNAPSHOT") == Mode::kSnapshot);
}

TEST_CASE("settings: an unknown word is refused, and the choices are named") {
  const absl::Status status = parse_mode("AOFF").status();
  CHECK(has_reason(status, Reason::kConfigInvalid));
  CHECK(names(status, "NON_PERSISTENT, SNAPSHOT, AOF, HYBRID"));
  CHECK(has_reason(parse_fsync_policy("").status(), Reason::kConfigInvalid));
}

TEST_CASE("settings: the defaults are valid") { CHECK(validate(Settings{}).ok()); }

TEST_CASE("settings: each number outside its bounds is refused by name, value and bounds") {
  const auto refused = [](auto field, auto value, std::string_view name, std::string_view bounds) {
    Settings settings;
    settings.*field = value;
    const absl::Status status = validate(settings);
    INFO(status.ToString());
    CHECK(has_reason(status, Reason::kConfigInvalid));
    CHECK(names(status, name));
    CHECK(names(status, bounds));
  };
  refused(&Settings::snapshot_interval, 999ms, "snapshot-interval is 999 ms", "from 1000 ms");
  refused(&Settings::snapshot_interval, std::chrono::milliseconds(366 * 24h), "snapshot-interval", "31536000000 ms");
  refused(&Settings::max_snapshots, 0u, "max-snapshots is 0", "from 1 to 1000");
  refused(&Settings::max_snapshots, 1001u, "max-snapshots is 1001", "from 1 to 1000");
  refused(&Settings::log_segment_bytes, 0u, "log-segment-size is 0", "from 1");
  refused(&Settings::fsync_interval, 0ms, "fsync-interval", "from 1 ms");
  refused(&Settings::log_rewrite_growth_percent, 0u, "log-rewrite-growth", "from 1");
  refused(&Settings::log_rewrite_min_bytes, 0u, "log-rewrite-min-size", "from 1");
  refused(&Settings::hybrid_log_from, 0u, "hybrid-log-from", "from 1");
  refused(&Settings::keep_past_generations, 1001u, "keep-past-generations", "to 1000");
}

TEST_CASE("settings: every setting goes to its canonical text and back") {
  Settings settings;
  settings.mode = Mode::kAof;
  settings.snapshot_interval = 90s;
  settings.log_segment_bytes = (3 << 20) + 1;
  settings.fsync = FsyncPolicy::kNever;
  settings.log_rewrite_growth_percent = 250;
  Settings copy;
  for (const std::string& name : setting_names()) {
    INFO(name);
    CHECK(set_by_name(copy, name, text_by_name(settings, name)).ok());
  }
  CHECK(copy == settings);
  CHECK(text_by_name(settings, "log-rewrite-growth") == "250%");
}

TEST_CASE("settings: a limit of memory that nobody chose is the word auto, and one that was chosen has bounds") {
  Settings settings;
  CHECK(text_by_name(settings, "max-memory") == "auto");
  REQUIRE(set_by_name(settings, "max-memory", "512MiB").ok());
  CHECK(settings.max_memory_bytes == 512 << 20);
  CHECK(validate(settings).ok());
  REQUIRE(set_by_name(settings, "max-memory", "auto").ok());
  CHECK(settings.max_memory_bytes == 0);
  CHECK(validate(settings).ok());
  settings.max_memory_bytes = 1;
  CHECK(names(validate(settings), "max-memory is 1"));
}

TEST_CASE("settings: levels of the log are words, and a slow call takes at least a millisecond") {
  Settings settings;
  for (const char* word : {"debug", "info", "warning", "error"}) {
    REQUIRE(set_by_name(settings, "log-level", word).ok());
    CHECK(text_by_name(settings, "log-level") == word);
  }
  CHECK_FALSE(set_by_name(settings, "log-level", "loud").ok());
  settings.slow_threshold = 0ms;
  CHECK(names(validate(settings), "slow-threshold is 0 ms"));
}

TEST_CASE("settings: texts of one value have one canonical form") {
  Settings settings;
  REQUIRE(set_by_name(settings, "snapshot-interval", "300s").ok());
  const std::string first = text_by_name(settings, "snapshot-interval");
  REQUIRE(set_by_name(settings, "snapshot-interval", "300000ms").ok());
  CHECK(text_by_name(settings, "snapshot-interval") == first);
}

TEST_CASE("settings: a text that does not parse changes nothing and names the setting") {
  Settings settings;
  for (const auto& [name, text] : {std::pair{"snapshot-interval", "soon"}, std::pair{"max-snapshots", "-1"},
                                   std::pair{"max-snapshots", "4294967296"}, std::pair{"mode", "fast"},
                                   std::pair{"log-segment-size", "10 elephants"}, std::pair{"nothing", "1"}}) {
    INFO(name);
    const absl::Status status = set_by_name(settings, name, text);
    CHECK(has_reason(status, Reason::kConfigInvalid));
    CHECK(names(status, name));
  }
  CHECK(settings == Settings{});
}

}  // namespace
}  // namespace kv
