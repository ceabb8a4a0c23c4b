#include "persistence/manifest.h"

#include <algorithm>

namespace kv {

std::string_view word(SettingOrigin origin) noexcept {
  switch (origin) {
    case SettingOrigin::kDefault:
      return "default";
    case SettingOrigin::kStartup:
      return "startup";
    case SettingOrigin::kRuntime:
      return "runtime";
  }
  return "";
}

std::string_view word(SwitchPhase phase) noexcept {
  switch (phase) {
    case SwitchPhase::kNone:
      return "NONE";
    case SwitchPhase::kAccepted:
      return "ACCEPTED";
    case SwitchPhase::kDual:
      return "DUAL";
    case SwitchPhase::kActive:
      return "ACTIVE";
    case SwitchPhase::kFailed:
      return "FAILED";
  }
  return "";
}

void forget_switch(Manifest& manifest) {
  if (!manifest.mode_switch) return;
  if (const std::uint64_t first = manifest.mode_switch->first_segment; first != 0) {
    manifest.segments.drop_from(first);
    manifest.used.erase(manifest.used.lower_bound(first), manifest.used.end());
  }
  manifest.mode_switch.reset();
}

void SegmentSet::add(std::uint64_t first, std::uint64_t last) {
  if (!ranges_.empty() && ranges_.back().last + 1 == first) {
    ranges_.back().last = last;
  } else {
    ranges_.push_back({first, last});
  }
}

void SegmentSet::drop_below(std::uint64_t number) {
  std::erase_if(ranges_, [&](const Range& range) { return range.last < number; });
  if (!ranges_.empty()) ranges_.front().first = std::max(ranges_.front().first, number);
}

void SegmentSet::drop_from(std::uint64_t number) {
  std::erase_if(ranges_, [&](const Range& range) { return range.first >= number; });
  if (!ranges_.empty()) ranges_.back().last = std::min(ranges_.back().last, number - 1);
}

bool SegmentSet::contains(std::uint64_t number) const noexcept {
  return std::any_of(ranges_.begin(), ranges_.end(),
                     [&](const Range& range) { return range.first <= number && number <= range.last; });
}

std::vector<std::uint64_t> SegmentSet::numbers() const {
  std::vector<std::uint64_t> result;
  for (const Range& range : ranges_) {
    for (std::uint64_t number = range.first; number <= range.last; ++number) result.push_back(number);
  }
  return result;
}

}  // namespace kv
