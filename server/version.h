// What --version, /version and the build_info metric say.
#pragma once

namespace kv {

inline constexpr const char* kVersion = KV_VERSION;  // from the project line of CMakeLists.txt

}  // namespace kv
