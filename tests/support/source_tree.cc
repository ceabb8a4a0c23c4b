#include "tests/support/source_tree.h"

namespace kv {

std::string source_path(const std::string& name) { return KV_SOURCE_DIRECTORY "/" + name; }

}  // namespace kv
