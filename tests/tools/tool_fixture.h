// The tool as a user runs it: words in, what it prints and its exit code out.
// Threads: one.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "core/file_system.h"
#include "tools/commands.h"

namespace kv {

class ToolRun {
 public:
  // Prints JSON.
  explicit ToolRun(const tools::Words& words, FileSystem& fs = posix_file_system()) {
    char* out = nullptr;
    char* error = nullptr;
    std::size_t out_bytes = 0, error_bytes = 0;
    std::FILE* out_file = ::open_memstream(&out, &out_bytes);
    std::FILE* error_file = ::open_memstream(&error, &error_bytes);
    {
      tools::Screen screen(out_file, error_file, nullptr, words.format);
      code_ = tools::run_command(fs, words, screen);
    }
    std::fclose(out_file);
    std::fclose(error_file);
    out_.assign(out, out_bytes);
    error_.assign(error, error_bytes);
    std::free(out);
    std::free(error);
  }

  int code() const { return static_cast<int>(code_); }
  const std::string& out() const { return out_; }
  const std::string& error() const { return error_; }
  // One object a line.
  std::vector<nlohmann::json> objects() const {
    std::vector<nlohmann::json> all;
    for (std::size_t at = 0; at < out_.size();) {
      const std::size_t end = out_.find('\n', at);
      REQUIRE(end != out_.npos);
      all.push_back(nlohmann::json::parse(out_.substr(at, end - at)));
      at = end + 1;
    }
    return all;
  }
  nlohmann::json object() const {
    REQUIRE(!objects().empty());
    return objects().back();
  }

 private:
  tools::ExitCode code_;
  std::string out_, error_;
};

inline tools::Words words(std::string command, std::string path, std::string to = "") {
  tools::Words words;
  words.command = std::move(command);
  words.path = std::move(path);
  words.to = std::move(to);
  words.format = tools::Format::kJson;
  return words;
}

}  // namespace kv
