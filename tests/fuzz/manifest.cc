// What a start reads before all data. MANIFEST: server and tool accept the same texts, and what is accepted is the same
// when it is written and read again. SET_ASIDE, on which a start can be refused too: both find the same files in it.
#include "persistence/manifest.h"

#include <fmt/format.h>

#include "core/absl_text.h"
#include "persistence/set_aside.h"
#include "tests/fuzz/memory_disk.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"
#include "tools/manifest_page.h"
#include "tools/side_files_page.h"

namespace kv::fuzz {
namespace {

void read_both(std::string_view text) {
  const auto server = parse_manifest(text, "MANIFEST");
  const auto tool = tools::read_manifest_page(text, "MANIFEST");
  if (server.ok() != tool.ok()) {
    wrong(fmt::format("server: {}; tool: {}", server.status().ToString(), tool.status().ToString()));
  }
  if (!server.ok()) return;
  ++taken;
  const auto again = parse_manifest(to_text(*server), "MANIFEST");
  if (!again.ok()) wrong("what we would write is refused: " + again.status().ToString());
  if (!(*again == *server)) wrong("another MANIFEST when it is written and read again");
}

void read_list(Bytes input) {
  MemoryDisk disk(input, "/data/SET_ASIDE");
  const auto server = read_set_aside(disk, "/data");
  const auto tool = tools::read_set_aside_page(as_text(input), "SET_ASIDE");
  if (server.ok() != tool.ok()) {
    wrong(fmt::format("a list; server: {}; tool: {}", server.status().ToString(), tool.status().ToString()));
  }
  if (!server.ok()) return;
  ++taken;
  if (server->size() != tool->size()) wrong(fmt::format("{} files, {} to the tool", server->size(), tool->size()));
  for (std::size_t i = 0; i < server->size(); ++i) {
    const SetAside& one = (*server)[i];
    if (one.file != (*tool)[i].file || one.file + one.ending != (*tool)[i].as) wrong("another file: " + one.file);
  }
}

}  // namespace

void decode(Bytes input) {
  std::string text(as_text(input));
  read_both(text);
  seal_manifest(text);
  read_both(text);
  read_list(input);
}

}  // namespace kv::fuzz
