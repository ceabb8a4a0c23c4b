// Puts the checksums of a file right, as far as its own lengths lead, so that a changed field is judged for itself.
//
// Threads: free functions. Errors: none; what is too short or leads nowhere stays as it is.
// Source:  docs/formats/aof.md, snapshot.md, manifest.md.
#pragma once

#include <span>
#include <string>

#include "core/checksum.h"

namespace kv::fuzz {

void seal_segment(std::span<std::byte> file);
void seal_snapshot(std::span<std::byte> file);
void seal_manifest(std::string& text);

}  // namespace kv::fuzz
