// Every setting of the server, one row each: the flag, its environment name, type, default, bounds and help all come
// from here, and so do --help, --print-config and the checks (server/setting_text.h). A setting that has no row does
// not exist.
//
// Threads: constant after construction. Units: minimum and maximum are in the row's own unit (bytes, ms, a count).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace kv {

enum class SettingType {
  kText,
  kAddress,  // HOST:PORT, [IPv6]:PORT or unix:PATH
  kAddressOrOff,
  kSize,
  kSizeOrAuto,
  kDuration,
  kDurationOrNone,
  kCount,
  kCountOrAuto,
  kPowerOfTwoOrAuto,
  kPercent,
  kChoice,
  kTokenOrNone,  // of a recovery report
  kMode,         // a choice in which case and '-' or '_' do not matter
};

struct SettingRow {
  std::string_view flag = {};
  std::string_view old_name = {};  // another name of the same flag, or empty
  SettingType type = SettingType::kText;
  std::string_view default_text = {};
  std::uint64_t minimum = 0;
  std::uint64_t maximum = 0;
  std::string_view choices = {};  // separated by '|'
  bool repeatable = false;
  bool stored = false;  // MANIFEST remembers it, and it can change at run time
  std::string_view help = {};
};

std::span<const SettingRow> setting_rows();
const SettingRow* find_setting(std::string_view flag);  // by either name; null when there is none

}  // namespace kv
