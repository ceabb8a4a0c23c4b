// What is fixed about MANIFEST and the data directory: names, bounds, the last line. The fields are
// persistence/manifest.h. Source: docs/formats/manifest.md. Units: bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace kv {

inline constexpr std::string_view kManifestName = "MANIFEST";
inline constexpr std::string_view kLockName = "LOCK";
inline constexpr std::string_view kLogFolder = "aof";
inline constexpr std::string_view kSnapshotFolder = "snapshots";
inline constexpr std::string_view kPastFolder = "past";
inline constexpr std::string_view kTemporarySuffix = ".tmp";

inline constexpr std::uint64_t kManifestFormat = 1;
inline constexpr std::uint64_t kManifestBytesMax = 16 << 20;
inline constexpr std::uint64_t kManifestSegmentsMax = 4'000'000;

// The last line: this word, the checksum in hexadecimal digits, a newline.
inline constexpr std::uint64_t kManifestChecksumSeed = 0x4b56'204d'414e'4946;
inline constexpr std::string_view kManifestChecksumWord = "checksum ";
inline constexpr std::size_t kManifestChecksumLineBytes = kManifestChecksumWord.size() + 16 + 1;

}  // namespace kv
