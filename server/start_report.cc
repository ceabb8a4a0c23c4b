#include "server/start_report.h"

#include <fmt/ranges.h>

#include "persistence/setting_names.h"
#include "server/log.h"
#include "server/setting_table.h"

namespace kv {

namespace {

std::string shown(const SettingRow& row, const GivenSetting& setting) {
  return fmt::format("{}{}", fmt::join(setting.values, ", "), row.type == SettingType::kPercent ? "%" : "");
}

}  // namespace

void log_settings(const GivenSettings& settings) {
  for (const SettingRow& row : setting_rows()) {
    const GivenSetting& setting = settings.at(std::string(row.flag));
    log_info("setting {} = {} ({})", row.flag, shown(row, setting), setting.where);
  }
}

void log_decisions(const std::vector<SettingDecision>& decisions, const GivenSettings& settings) {
  for (const SettingDecision& decision : decisions) {
    const SettingRow* const row = find_setting(decision.name);
    if (row != nullptr && shown(*row, settings.at(std::string(row->flag))) == decision.value) continue;
    log_info("in effect {} = {} ({})", decision.name, decision.value, decision.why);
  }
}

void log_recovery(const RecoveryReport& report, const Store& store) {
  for (const std::string& file : report.files_loaded) log_info("loaded {}", file);
  for (const std::string& file : report.files_skipped) log_warning("not loaded: {}", file);
  if (report.loss) {
    for (const DamagedPlace& place : report.loss->damaged) {
      log_warning("damaged: {} at offset {}: {}", place.file, place.offset, place.what);
    }
  }
  for (const std::string& file : report.strangers) log_warning("not ours, left alone: {}", file);
  const StoreTotals totals = store.totals();
  log_info(
      "recovery: {} keys, {} bytes of keys and values, {} request ids, revision {}, {} records replayed, {} bytes of "
      "torn tail cut, {} in {} ms",
      totals.keys, totals.data_bytes, store.requests().count_frozen(), report.revision, report.records_replayed,
      report.tail_bytes_discarded,
      report.fresh            ? "fresh start"
      : report.clean_shutdown ? "after a clean stop"
                              : "after a stop that was not clean",
      report.duration.count());
}

void log_changed_settings(const Settings& before, const Settings& now) {
  std::vector<std::string> changes;
  for (const std::string& name : setting_names()) {
    const std::string value = text_by_name(now, name);
    const std::string old_value = text_by_name(before, name);
    if (value != old_value) changes.push_back(fmt::format("{} = {} (was {})", name, value, old_value));
  }
  if (!changes.empty()) log_info("settings changed: {}", fmt::join(changes, ", "));
}

}  // namespace kv
