#include <fstream>
#include <iterator>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "server/setting_text.h"
#include "tests/support/source_tree.h"

using namespace kv;

namespace {

std::string in_words(std::string text) {
  for (std::size_t at = text.find('|'); at != text.npos; at = text.find('|')) text.replace(at, 1, ", ");
  return text;
}

std::string line_of(const SettingRow& row) {
  std::string names = fmt::format("`--{}`", row.flag);
  if (!row.old_name.empty()) names += fmt::format(", `--{}`", row.old_name);
  return fmt::format("| {}{} | {} | {} | {} |\n", names, row.stored ? " R" : "", row.default_text,
                     in_words(accepted(row)), row.help);
}

}  // namespace

TEST_CASE("operations page: it lists every setting as the table has it") {
  std::ifstream file(source_path("docs/operations.md"));
  const std::string page((std::istreambuf_iterator<char>(file)), {});
  std::string missing;
  for (const SettingRow& row : setting_rows()) {
    const std::string line = line_of(row);
    if (page.find(line) == page.npos) missing += line;
  }
  CHECK(missing == "");
}
