#include "client/cli/answer.h"

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

}  // namespace kv
