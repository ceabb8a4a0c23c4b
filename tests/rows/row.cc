#include "tests/rows/row.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/support/source_tree.h"

namespace kv::rows {
namespace {

std::string folder() { return source_path("tests/rows"); }

[[noreturn]] void fail(const std::string& file, int line, const std::string& why) {
  throw std::runtime_error(file + ":" + std::to_string(line) + ": " + why);
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// Cuts the first word off.
std::string take_word(std::string& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  std::string word = text.substr(0, end);
  text.erase(0, std::min(end + 1, text.size()));
  return word;
}

// A step begins with one of these, or with its method.
const std::map<std::string, Step::Kind>& kinds() {
  static const std::map<std::string, Step::Kind> kinds = {
      {"soon", Step::Kind::kSoon},      {"brief", Step::Kind::kBrief}, {"begin", Step::Kind::kBegin},
      {"raw", Step::Kind::kRaw},        {"fault", Step::Kind::kFault}, {"heal", Step::Kind::kHeal},
      {"restart", Step::Kind::kRestart}};
  return kinds;
}

Step step_of(const std::string& file, int line, std::string text) {
  Step step{.line = line};
  std::string first = take_word(text);
  if (const auto found = kinds().find(first); found != kinds().end()) {
    step.kind = found->second;
    if (!step.is_call()) {
      step.method = text;
      return step;
    }
    first = take_word(text);
  }
  const bool begins = step.kind == Step::Kind::kBegin;
  step.method = first;
  const std::size_t arrow = text.find(" -> ");
  if (begins != (arrow == text.npos)) fail(file, line, begins ? "nobody waits for this answer" : "no answer");
  step.request = text.substr(0, arrow);
  if (!begins) step.answer = text.substr(arrow + 4);
  return step;
}

void add_line(Row& row, int line, const std::string& text) {
  if (text.starts_with("on ")) {
    row.servers = words_of(text.substr(3));
  } else if (text.starts_with("stubs only: ")) {
    row.stubs_only = text.substr(12);
  } else if (text.starts_with("client only: ")) {
    row.client_only = text.substr(13);
  } else {
    row.steps.push_back(step_of(row.file, line, text));
  }
}

struct Line {
  int number = 0;
  std::size_t depth = 0;
  std::string text;
};

// Without comments and empty lines, and with continuing lines where they belong.
std::vector<Line> lines_of(const std::string& path) {
  std::ifstream in(path);
  if (!in) throw std::runtime_error("cannot read " + path);
  std::vector<Line> lines;
  int number = 0;
  for (std::string text; std::getline(in, text);) {
    ++number;
    const std::size_t depth = text.find_first_not_of(' ');
    if (depth == text.npos || text[depth] == '#') continue;
    text.erase(0, depth);
    if (depth > 2 && !lines.empty()) {
      lines.back().text += " " + text;
    } else {
      lines.push_back({number, depth, text});
    }
  }
  return lines;
}

void read_rows(const std::filesystem::path& path, std::vector<Row>& rows) {
  const std::string file = path.filename().string();
  bool begun = false;
  for (const Line& line : lines_of(path.string())) {
    if (line.depth == 0) {
      if (!line.text.starts_with("row ")) fail(file, line.number, "a row begins with 'row'");
      rows.push_back({.file = file, .line = line.number, .name = line.text.substr(4)});
      begun = true;
    } else if (!begun) {
      fail(file, line.number, "a step before the first row");
    } else {
      add_line(rows.back(), line.number, line.text);
    }
  }
}

std::vector<Row> read_all_rows() {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".rows") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<Row> rows;
  for (const auto& path : paths) read_rows(path, rows);
  for (const Row& row : rows) {
    if (row.steps.empty()) fail(row.file, row.line, "nothing happens in this row");
    for (const std::string& name : row.servers) server_kind(name);
  }
  return rows;
}

std::vector<ServerKind> read_all_servers() {
  std::vector<ServerKind> servers;
  for (const Line& line : lines_of(folder() + "/servers.txt")) {
    std::vector<std::string> words = words_of(line.text);
    if (words.size() < 3) fail("servers.txt", line.number, "expected a kind, a name and a level");
    const auto kind = words[0] == "mode"    ? ServerKind::Kind::kMode
                      : words[0] == "state" ? ServerKind::Kind::kState
                      : words[0] == "inner" ? ServerKind::Kind::kInner
                                            : throw std::runtime_error("servers.txt: kind " + words[0]);
    servers.push_back({kind, words[1], words[2], {words.begin() + 3, words.end()}});
  }
  return servers;
}

}  // namespace

const std::vector<Row>& all_rows() {
  static const std::vector<Row> rows = read_all_rows();
  return rows;
}

const std::vector<ServerKind>& all_servers() {
  static const std::vector<ServerKind> servers = read_all_servers();
  return servers;
}

const ServerKind& server_kind(const std::string& name) {
  for (const ServerKind& server : all_servers()) {
    if (server.name == name) return server;
  }
  throw std::runtime_error("tests/rows/servers.txt has no server " + name);
}

Refusal refusal_in(const std::string& answer) {
  std::vector<std::string> words = words_of(answer);
  if (words.size() < 2 || words.front().starts_with("{")) return {};
  return {words[0], words[1] == "-" ? "" : words[1], {words.begin() + 2, words.end()}};
}

}  // namespace kv::rows
