// Where a mode switch stands (docs/durability.md, "Switching modes").
#pragma once

#include <cstdint>
#include <string_view>

namespace kv {

// kAccepted: recorded, the old mechanism alone runs. kDual: the new one runs beside it. kActive: the new mode's promise
// holds. kFailed: given up. The old mode is whole again; or, where the log could not be synced when MANIFEST had the
// new one already, that is in force with a journal that has failed.
enum class SwitchPhase : std::uint8_t { kNone, kAccepted, kDual, kActive, kFailed };

// NONE, ACCEPTED, DUAL, ACTIVE, FAILED.
std::string_view word(SwitchPhase phase) noexcept;

}  // namespace kv
