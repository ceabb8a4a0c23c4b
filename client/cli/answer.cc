#include "client/cli/answer.h"

#include "client/cli/connection.h"
#include "client/cli/text.h"
#include "core/utf8.h"

namespace kv {

void put_bytes(Json& object, const std::string& name, std::string_view bytes) {
  if (is_utf8(bytes)) {
    object[name] = bytes;
  } else {
    object[name + "_base64"] = base64(bytes);
  }
}

Json with_key(std::string_view key) {
  Json json = Json::object();
  put_bytes(json, "key", key);
  return json;
}

void put_write(Json& object, const kvstore::v1::WriteResult& write) {
  if (write.revision() != 0) object["revision"] = write.revision();
  if (const std::string_view level = level_word(write.durability()); !level.empty()) object["durability"] = level;
  if (write.replayed()) object["replayed"] = true;
}

}  // namespace kv
