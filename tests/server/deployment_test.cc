// The files that put the server onto machines name settings. A name or value that the server does not take would be
// found at its start, by whoever is on duty then; here it is found before.
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "server/options.h"
#include "server/setting_text.h"
#include "tests/support/source_tree.h"

using namespace kv;

namespace {

constexpr const char* kFiles[] = {"Dockerfile.server", "Dockerfile.client", "docker-compose.yml",
                                  "packaging/kubernetes.yaml", "packaging/kvstore_server.service.in"};
constexpr const char* kPages[] = {"README.md", "docs/operations.md"};

std::string text_of(const std::string& path) {
  std::ifstream file(source_path(path));
  std::string text((std::istreambuf_iterator<char>(file)), {});
  REQUIRE_FALSE(text.empty());
  return text;
}

// The server's own; those of the client it ignores, and a name that ends in an underscore stands for several.
bool is_known(const std::string& name) {
  static const std::set<std::string> others = {"KVSTORE_TARGET", "KVSTORE_TIMEOUT", "KVSTORE_SERVER_ADDR",
                                               "KVSTORE_TOKEN_FILE"};
  if (others.contains(name) || name.starts_with("KVSTORE_TLS_") || name == "KVSTORE_") return true;
  for (const SettingRow& row : setting_rows()) {
    if (environment_name(row.flag) == name) return true;
  }
  return false;
}

// Every variable with the value that it is given: NAME=value, or {name: NAME, value: value}.
Environment given(const std::string& text) {
  static const std::regex pattern("(KVSTORE_[A-Z_]+)(?:=|, value: |: )\"?([^\\s\",;}\\\\]+)");
  Environment environment;
  for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found) {
    environment[(*found)[1]] = (*found)[2];
  }
  return environment;
}

std::string unknown_names(const std::string& text) {
  static const std::regex pattern("KVSTORE_[A-Z_]*");
  std::string unknown;
  for (std::sregex_iterator found(text.begin(), text.end(), pattern), end; found != end; ++found) {
    if (!is_known(found->str())) unknown += found->str() + " ";
  }
  return unknown;
}

}  // namespace

TEST_CASE("deployment: images, compose file, manifest and unit name only settings that exist") {
  for (const char* path : kFiles) {
    CAPTURE(path);
    CHECK(unknown_names(text_of(path)) == "");
  }
}

TEST_CASE("deployment: the pages name only settings that exist") {
  for (const char* path : kPages) {
    CAPTURE(path);
    CHECK(unknown_names(text_of(path)) == "");
  }
}

TEST_CASE("deployment: the server takes every value that these files give it") {
  std::size_t values = 0;
  for (const char* path : kFiles) {
    CAPTURE(path);
    const Environment environment = given(text_of(path));
    values += environment.size();
    const auto line = read_command_line({"--check-config"}, environment);
    CHECK((line.ok() ? "" : std::string(line.status().message())) == "");
  }
  CHECK(values >= 10);
}

TEST_CASE("deployment: the grace of compose file, manifest and unit is longer than the stop timeout they set") {
  const auto seconds = [](const char* path, const char* pattern) {
    std::smatch found;
    const std::string text = text_of(path);
    REQUIRE(std::regex_search(text, found, std::regex(pattern)));
    return std::stoi(found[1]);
  };
  const int image = seconds("Dockerfile.server", "KVSTORE_STOP_TIMEOUT=(\\d+)s");
  CHECK(seconds("docker-compose.yml", "stop_grace_period: (\\d+)s") > image);
  CHECK(seconds("packaging/kubernetes.yaml", "terminationGracePeriodSeconds: (\\d+)") >
        seconds("packaging/kubernetes.yaml", "KVSTORE_STOP_TIMEOUT, value: (\\d+)s"));
  CHECK(60 * seconds("packaging/kvstore_server.service.in", "TimeoutStopSec=(\\d+)min") >
        seconds("packaging/kvstore_server.service.in", "KVSTORE_STOP_TIMEOUT=(\\d+)s"));
}

TEST_CASE("deployment: both images have one build stage, so that the second finds it made") {
  const auto build_stage = [](const std::string& path) {
    const std::string text = text_of(path);
    const std::size_t end = text.find(" AS runtime\n");
    REQUIRE(end != text.npos);
    return text.substr(0, end);
  };
  CHECK(build_stage("Dockerfile.server") == build_stage("Dockerfile.client"));
}

TEST_CASE("deployment: the compose file asks for health as the image does, word for word") {
  const auto found_in = [](const std::string& path, const std::string& pattern) {
    std::smatch found;
    const std::string text = text_of(path);
    CAPTURE(path, pattern);
    REQUIRE(std::regex_search(text, found, std::regex(pattern)));
    return std::regex_replace(found[1].str(), std::regex("[\",]"), "");
  };
  for (const char* option : {"interval", "timeout", "start_period", "retries"}) {
    const std::string flag = std::regex_replace(std::string(option), std::regex("_"), "-");
    CHECK(found_in("docker-compose.yml", std::string("\n    ") + option + ": (\\S+)\n") ==
          found_in("Dockerfile.server", "HEALTHCHECK.* --" + flag + "=(\\S+)"));
  }
  CHECK(found_in("docker-compose.yml", "healthcheck:\n    test: \\[CMD, ([^\\]]+)\\]") ==
        found_in("Dockerfile.server", "HEALTHCHECK.* CMD \\[([^\\]]+)\\]"));
}
