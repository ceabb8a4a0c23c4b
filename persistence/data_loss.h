// What a start would go on without, when something is damaged and nothing makes up for it: found first, shown to a
// person, and done only when that person hands back the token.
//
// Hard part: the token must stand for exactly this recovery and for no other. It is made of what was found (each
// damaged file, offset and cause), what would be left, the store and the generation of its MANIFEST: a second damage, a
// repaired file or a start in between give another token.
//
// Threads: values and free functions. Source: docs/durability.md, "Going on without what is damaged".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "persistence/damage.h"
#include "persistence/manifest.h"
#include "persistence/set_aside.h"

namespace kv {

struct DataLoss {
  std::vector<DamagedPlace> damaged;  // in the order found
  std::vector<SetAside> set_aside;    // files that do not count any more; kept, under another name
  std::string base;                   // the snapshot to begin with, below the data directory; empty: the log alone
  Revision revision = 0;              // what is left is exactly the state of this revision
  Revision known_revision = 0;        // the highest that surely was there; not above `revision`: nothing known is lost
};

// Sixteen hexadecimal digits.
std::string token_of(const DataLoss& loss, const Manifest& manifest);
bool is_token(std::string_view text);

// What is lost, in one line.
std::string loss_in_words(const DataLoss& loss);

}  // namespace kv
