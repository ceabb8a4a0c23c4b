// What the log says about a start: where every setting came from, what was loaded, how long it took.
// Threads: free functions.
#pragma once

#include "persistence/storage.h"
#include "server/options.h"

namespace kv {

// One line a setting: what is in force, unless log_decisions() says otherwise.
void log_settings(const GivenSettings& settings);
// Where a stored value stands in place of the one given at this start.
void log_decisions(const std::vector<SettingDecision>& decisions, const GivenSettings& settings);
void log_recovery(const RecoveryReport& report, const Store& store);

// One line of what has another value now; none when nothing has.
void log_changed_settings(const Settings& before, const Settings& now);

}  // namespace kv
