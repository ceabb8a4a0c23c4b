#include "client/cli/glob.h"

#include <cstddef>
#include <optional>

namespace kv {
namespace {

// Bytes of the character that begins here; a broken one counts as one byte.
std::size_t character_bytes(std::string_view text) {
  std::size_t size = 1;
  while (size < text.size() && size < 4 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
  return static_cast<unsigned char>(text.front()) < 0x80 ? 1 : size;
}

struct Set {
  std::size_t size;  // Of the bracket expression in the pattern.
  bool matches;
};

// The set at the front of the pattern against one byte, or nothing when the bracket is not closed.
std::optional<Set> match_set(std::string_view pattern, char c) {
  std::size_t i = 1;
  const bool inverted = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (inverted) ++i;
  bool inside = false;
  for (bool first = true; i < pattern.size() && (first || pattern[i] != ']'); first = false) {
    const auto low = static_cast<unsigned char>(pattern[i]);
    auto high = low;
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = static_cast<unsigned char>(pattern[i + 2]);
      i += 2;
    }
    const auto byte = static_cast<unsigned char>(c);
    inside = inside || (low <= byte && byte <= high);
    ++i;
  }
  if (i >= pattern.size()) return std::nullopt;
  return Set{i + 1, inside != inverted};
}

struct Step {
  std::size_t pattern;
  std::size_t key;
};

// One element of the pattern, not a *, against the front of the key.
std::optional<Step> match_one(std::string_view pattern, std::string_view key) {
  if (key.empty()) return std::nullopt;
  if (pattern.front() == '?') return Step{1, character_bytes(key)};
  if (pattern.front() == '[') {
    if (const auto set = match_set(pattern, key.front())) {
      return set->matches ? std::optional(Step{set->size, 1}) : std::nullopt;
    }
  }
  const std::size_t literal = pattern.front() == '\\' && pattern.size() > 1 ? 1 : 0;
  return pattern[literal] == key.front() ? std::optional(Step{literal + 1, 1}) : std::nullopt;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view key) {
  std::optional<std::string_view> pattern_after_star;
  std::string_view key_at_star;
  while (!pattern.empty() || !key.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      pattern_after_star = pattern;
      key_at_star = key;
      continue;
    }
    if (const auto step = pattern.empty() ? std::nullopt : match_one(pattern, key)) {
      pattern.remove_prefix(step->pattern);
      key.remove_prefix(step->key);
      continue;
    }
    if (!pattern_after_star || key_at_star.empty()) return false;
    key_at_star.remove_prefix(1);  // The last * takes one byte more.
    pattern = *pattern_after_star;
    key = key_at_star;
  }
  return true;
}

}  // namespace kv
