// Where the tree that is tested lies: for tests that read a page or a golden file. Told to one source only, so that all
// others compile to the same object wherever the tree lies.
#pragma once

#include <string>

namespace kv {

// The path of a file, named from the root of the tree.
std::string source_path(const std::string& name);

}  // namespace kv
