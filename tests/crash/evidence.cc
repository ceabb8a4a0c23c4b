#include "tests/crash/evidence.h"

#include <algorithm>
#include <regex>
#include <stdexcept>

#include "core/absl_text.h"
#include "core/file_system.h"
#include "persistence/manifest.h"

namespace kv::crash {

// "recovery: ... revision 12, ... 4096 bytes of torn tail cut ...".
RecoveryLine recovery_in(const std::string& log) {
  static const std::regex report("recovery: .* revision ([0-9]+), .* ([0-9]+) bytes of torn tail cut");
  std::smatch match;
  if (!std::regex_search(log, match, report)) throw std::runtime_error("no recovery report in the log:\n" + log);
  return {std::stoull(match[1]), std::stoull(match[2])};
}

std::uint64_t published_cut(const std::string& data_directory) {
  const std::string path = data_directory + "/MANIFEST";
  const auto text = read_file(posix_file_system(), path, kManifestBytesMax);
  if (!text.ok()) throw std::runtime_error(text.status().ToString());
  const auto manifest = parse_manifest(*text, path);
  if (!manifest.ok()) throw std::runtime_error(manifest.status().ToString());
  std::uint64_t cut = 0;
  for (const SnapshotRecord& snapshot : manifest->snapshots) cut = std::max(cut, snapshot.cut);
  return cut;
}

}  // namespace kv::crash
