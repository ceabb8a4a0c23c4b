// kvstore_tool: puts the parts together. What each command does is in tools/commands.h.
#include <string>
#include <vector>

#include "tools/commands.h"

int main(int argc, char** argv) {
  return kv::tools::tool_main(argc > 1 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>());
}
