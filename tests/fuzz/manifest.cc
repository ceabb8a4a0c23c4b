// MANIFEST: server and tool accept the same texts, and what is accepted is the same when it is written and read again.
#include "persistence/manifest.h"

#include <fmt/format.h>

#include "core/absl_text.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/target.h"
#include "tools/manifest_page.h"

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

}  // namespace

void decode(Bytes input) {
  std::string text(as_text(input));
  read_both(text);
  seal_manifest(text);
  read_both(text);
}

}  // namespace kv::fuzz
