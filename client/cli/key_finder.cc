#include "client/cli/key_finder.h"

#include <algorithm>

namespace kv {
namespace {

constexpr std::size_t kKeysMax = 60;  // More are no help.
constexpr std::chrono::milliseconds kBetween{500};
constexpr std::chrono::seconds kFresh{5};

}  // namespace

bool KeyFinder::knows(const std::string& prefix) const {
  if (!prefix_ || now_() - looked_ > kFresh) return false;
  return prefix == *prefix_ || (whole_ && prefix.starts_with(*prefix_));
}

std::vector<std::string> KeyFinder::find(const std::string& prefix) {
  if (!knows(prefix)) {
    if (prefix_ && now_() - looked_ < kBetween) return {};
    auto keys = look_(prefix, kKeysMax + 1);
    looked_ = now_();
    prefix_ = prefix;
    whole_ = keys && keys->size() <= kKeysMax;
    keys_ = whole_ ? *std::move(keys) : std::vector<std::string>();
    std::sort(keys_.begin(), keys_.end());
  }
  std::vector<std::string> found = keys_;
  std::erase_if(found, [&](const std::string& key) { return !key.starts_with(prefix); });
  return found;
}

}  // namespace kv
