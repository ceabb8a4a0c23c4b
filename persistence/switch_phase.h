// Where a mode switch stands (docs/durability.md, "Switching modes").
#pragma once

#include <cstdint>
#include <string_view>

namespace kv {

// kAccepted: recorded, the old mechanism alone runs. kDual: the new one runs beside it. kActive: the new mode's promise
// holds. kFailed: the old mode is whole again. A switch that ends in none of the last two stands in MANIFEST, but the log
// could not be synced.
enum class SwitchPhase : std::uint8_t { kNone, kAccepted, kDual, kActive, kFailed };

// NONE, ACCEPTED, DUAL, ACTIVE, FAILED.
std::string_view word(SwitchPhase phase) noexcept;

}  // namespace kv
