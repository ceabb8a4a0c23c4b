#include "tests/crash/evidence.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "core/absl_text.h"
#include "core/file_system.h"
#include "persistence/manifest.h"
#include "tools/commands.h"

namespace kv::crash {
namespace {

Manifest manifest_of(const std::string& data_directory) {
  const std::string path = data_directory + "/MANIFEST";
  const auto text = read_file(posix_file_system(), path, kManifestBytesMax);
  if (!text.ok()) throw std::runtime_error(text.status().ToString());
  auto manifest = parse_manifest(*text, path);
  if (!manifest.ok()) throw std::runtime_error(manifest.status().ToString());
  return *std::move(manifest);
}

// `kvstore_tool check DIR --output json`: what it prints, when it calls the directory sound.
tools::Json checked(const std::string& data_directory) {
  char* text = nullptr;
  std::size_t bytes = 0;
  std::FILE* out = ::open_memstream(&text, &bytes);
  if (out == nullptr) throw std::runtime_error("no memory for the checker's output");
  tools::Words words;
  words.command = "check";
  words.path = data_directory;
  words.format = tools::Format::kJson;
  tools::Screen screen(out, out, nullptr, words.format);
  const tools::ExitCode code = tools::run_command(posix_file_system(), words, screen);
  std::fclose(out);
  const std::string said(text, bytes);
  std::free(text);
  if (code != tools::ExitCode::kDone) {
    throw std::runtime_error(fmt::format("kvstore_tool check exits {}: {}", static_cast<int>(code), said));
  }
  return tools::Json::parse(said);
}

// "torn tail: PATH/aof/0000000000000007.aof ends at offset 1, 2 bytes beyond it do not count, last revision 3".
std::string torn_line(const TornTail& torn) {
  return fmt::format("/{} ends at offset {}, {} bytes beyond it do not count, last revision {}", torn.file, torn.offset,
                     torn.bytes, torn.last_revision);
}

}  // namespace

// "recovery: ... revision 12, ... 4096 bytes of torn tail cut ...".
RecoveryLine recovery_in(const std::string& log) {
  static const std::regex report("recovery: .* revision ([0-9]+), .* ([0-9]+) bytes of torn tail cut");
  std::smatch match;
  if (!std::regex_search(log, match, report)) throw std::runtime_error("no recovery report in the log:\n" + log);
  return {std::stoull(match[1]), std::stoull(match[2])};
}

std::uint64_t published_cut(const std::string& data_directory) {
  std::uint64_t cut = 0;
  for (const SnapshotRecord& snapshot : manifest_of(data_directory).snapshots) cut = std::max(cut, snapshot.cut);
  return cut;
}

Remains look_at(const std::string& data_directory) {
  const Manifest manifest = manifest_of(data_directory);
  const tools::Json said = checked(data_directory);
  if (said.at("start") != "serves" || !said.at("strangers").empty()) {
    throw std::runtime_error("kvstore_tool check sees what a crash does not leave: " + said.dump());
  }
  Remains remains;
  remains.mode = said.at("mode");
  if (const auto& unfinished = said.at("switch"); !unfinished.is_null()) {
    remains.unfinished = {unfinished.at("from"), unfinished.at("to")};
  }
  remains.revision = said.at("revision");
  remains.keys = said.at("keys");
  remains.digest = std::stoull(said.at("digest").get<std::string>(), nullptr, 16);
  if (const auto& torn = said.at("torn_tail"); !torn.is_null()) {
    remains.torn = {torn.at("file"), torn.at("offset"), torn.at("bytes"), torn.at("last_revision")};
  }
  const std::uint64_t last =
      manifest.clean ? std::max(remains.revision, manifest.last_revision) : manifest.revision_ceiling;
  remains.next_revision = last + 1;
  return remains;
}

std::vector<std::string> judge_log(const std::string& log, const std::optional<TornTail>& torn) {
  static const std::regex trouble("^[^ ]+ (warning|error|critical) .*");
  std::vector<std::string> findings;
  unsigned told = 0;
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    if (!std::regex_match(line, trouble)) continue;
    if (torn && line.find("torn tail: ") != std::string::npos && line.ends_with(torn_line(*torn)) && ++told == 1)
      continue;
    findings.push_back("in the server's log: " + line);
  }
  if (torn && told == 0) findings.push_back("the server's log does not tell of the torn tail " + torn_line(*torn));
  return findings;
}

std::vector<std::string> judge_start(const std::string& log, const Remains& remains) {
  std::vector<std::string> findings = judge_log(log, remains.torn);
  const RecoveryLine recovery = recovery_in(log);
  if (recovery.revision != remains.revision) {
    findings.push_back(
        fmt::format("the start loaded revision {}, kvstore_tool check said {}", recovery.revision, remains.revision));
  }
  const std::uint64_t torn = remains.torn ? remains.torn->bytes : 0;
  if (recovery.torn_bytes != torn) {
    findings.push_back(
        fmt::format("the start cut {} bytes of torn tail, kvstore_tool check saw {}", recovery.torn_bytes, torn));
  }
  return findings;
}

}  // namespace kv::crash
