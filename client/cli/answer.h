// The answer of a command in the forms it can be asked for, so that its wording stands in one place.
//
// Threads: plain data.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "kvstore/v1/types.pb.h"

namespace kv {

using Json = nlohmann::ordered_json;

struct Answer {
  enum class Kind {
    kData,     // What was asked for.
    kSuccess,  // That it went well: --quiet leaves it out.
    kMiss,     // No such key, a condition that did not hold.
  };

  Kind kind = Kind::kData;
  Json json = Json::object();
  std::string human = {};  // Without the last line end.
  std::string raw = {};    // The same; printed of kData and kSuccess, when not empty.
};

Json with_key(std::string_view key);
// Revision and level of a write that changed something.
void put_write(Json& object, const kvstore::v1::WriteResult& write);
// One of many of the same kind.
struct Row {
  Json json = Json::object();
  std::vector<std::string> cells = {};  // Of a table, under the headings given to begin_rows().
  std::string human = {};
  std::string raw = {};
  bool miss = false;
};

// `name`: the bytes as text when they are UTF-8, else NAME_base64.
void put_bytes(Json& object, const std::string& name, std::string_view bytes);

}  // namespace kv
