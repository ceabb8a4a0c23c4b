#include "server/key_pattern.h"

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

absl::Status invalid(std::size_t position, std::string_view why) {
  return error(Reason::kPatternInvalid, fmt::format("the pattern {} at byte {}", why, position),
               {{"field", "glob"}, {"position", std::to_string(position)}});
}

unsigned char byte_of(char c) noexcept { return static_cast<unsigned char>(c); }

void set_bit(std::array<std::uint64_t, 4>& bits, std::size_t bit) noexcept {
  bits[bit / 64] |= std::uint64_t{1} << (bit % 64);
}

}  // namespace

// Reads one set, which begins at `position`, and moves behind it.
struct KeyPattern::Reader {
  std::string_view glob;
  std::size_t position = 0;

  absl::Status read_set(Bytes& accepted) {
    const std::size_t begin = position++;
    const bool inverted = position < glob.size() && (glob[position] == '!' || glob[position] == '^');
    if (inverted) ++position;
    bool empty = true;
    while (position < glob.size() && (glob[position] != ']' || empty)) {
      if (glob[position] == ']') return invalid(begin, "has an empty set");
      unsigned char low = 0;
      if (const absl::Status read = read_member(begin, low); !read.ok()) return read;
      unsigned char high = low;
      if (position + 1 < glob.size() && glob[position] == '-' && glob[position + 1] != ']') {
        ++position;
        if (const absl::Status read = read_member(begin, high); !read.ok()) return read;
        if (high < low) return invalid(begin, "has a range that runs backwards");
      }
      for (unsigned value = low; value <= high; ++value) accepted[value] = true;
      empty = false;
    }
    if (position >= glob.size()) return invalid(begin, "has a set that does not end");
    ++position;
    if (inverted) {
      for (bool& accepts : accepted) accepts = !accepts;
    }
    return absl::OkStatus();
  }

  absl::Status read_member(std::size_t begin, unsigned char& member) {
    if (glob[position] == '\\') {
      if (++position >= glob.size()) return invalid(begin, "has a set that does not end");
    }
    member = byte_of(glob[position++]);
    if (member >= 0x80) return invalid(begin, "has a set with a character that is not ASCII");
    return absl::OkStatus();
  }
};

absl::StatusOr<KeyPattern> KeyPattern::compile(std::string_view glob) {
  KeyPattern pattern;
  Reader reader{glob};
  while (reader.position < glob.size()) {
    const char c = glob[reader.position];
    if (c == '*') {
      set_bit(pattern.looping_, pattern.places_);
      pattern.only_literals_ = false;
      ++reader.position;
      continue;
    }
    if (pattern.places_ == kPlacesMax) return invalid(reader.position, "is too long");
    Bytes accepted{};
    if (c == '?') {
      accepted.fill(true);
      ++reader.position;
      pattern.only_literals_ = false;
    } else if (c == '[') {
      if (const absl::Status read = reader.read_set(accepted); !read.ok()) return read;
      pattern.only_literals_ = false;
    } else {
      if (c == '\\' && ++reader.position >= glob.size()) return invalid(glob.size() - 1, "ends with a backslash");
      const char literal = glob[reader.position++];
      accepted[byte_of(literal)] = true;
      if (pattern.only_literals_) pattern.literal_ += literal;
    }
    pattern.add(accepted);
  }
  pattern.words_ = pattern.places_ / 64 + 1;
  return pattern;
}

void KeyPattern::add(const Bytes& accepted) {
  for (std::size_t value = 0; value < accepted.size(); ++value) {
    if (accepted[value]) set_bit(accepting_[value], places_);
  }
  ++places_;
}

bool KeyPattern::matches(std::string_view key) const noexcept {
  if (only_literals_) return key == literal_;
  if (!key.starts_with(literal_)) return false;
  Places here{};
  set_bit(here, literal_.size());
  for (const char c : key.substr(literal_.size())) {
    const Places& accepts = accepting_[byte_of(c)];
    std::uint64_t carried = 0;
    std::uint64_t any = 0;
    for (std::size_t word = 0; word < words_; ++word) {
      const std::uint64_t moving = here[word] & accepts[word];
      here[word] = (moving << 1) | carried | (here[word] & looping_[word]);
      carried = moving >> 63;
      any |= here[word];
    }
    if (any == 0) return false;
  }
  return (here[places_ / 64] >> (places_ % 64) & 1) != 0;
}

}  // namespace kv
