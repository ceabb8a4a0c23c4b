#include "core/utf8.h"

#include <cstdint>
#include <cstring>

namespace kv {
namespace {

// The length of the sequence that `lead` opens and the range of its second byte; length 0 for a bad lead.
struct Sequence {
  std::uint8_t length;
  std::uint8_t second_low;
  std::uint8_t second_high;
};

constexpr Sequence sequence_of(std::uint8_t lead) noexcept {
  if (lead < 0x80) return {1, 0, 0};
  if (lead < 0xC2) return {0, 0, 0};
  if (lead < 0xE0) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead < 0xF0) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead < 0xF4) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const std::uint8_t*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    if (end - at >= 8) {
      std::uint64_t eight;
      std::memcpy(&eight, at, sizeof eight);
      if ((eight & 0x8080808080808080) == 0) {
        at += 8;
        continue;
      }
    }
    const Sequence sequence = sequence_of(*at);
    if (sequence.length == 0 || end - at < sequence.length) return false;
    if (sequence.length > 1 && (at[1] < sequence.second_low || at[1] > sequence.second_high)) return false;
    for (int i = 2; i < sequence.length; ++i) {
      if (at[i] < 0x80 || at[i] > 0xBF) return false;
    }
    at += sequence.length;
  }
  return true;
}

}  // namespace kv
