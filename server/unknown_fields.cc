#include "server/unknown_fields.h"

#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/error.h"

namespace kv {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// The path of the first unknown field, or an empty string. As deep as the schema, which has no recursive message.
std::string first_unknown(const Message& message, const std::string& prefix) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const auto& unknown = reflection.GetUnknownFields(message);
  if (!unknown.empty()) return prefix + std::to_string(unknown.field(0).number());
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_repeated()) continue;
    const std::string found = first_unknown(reflection.GetMessage(message, field), prefix + field->name() + ".");
    if (!found.empty()) return found;
  }
  return {};
}

}  // namespace

absl::Status refuse_unknown_fields(const Message& request) {
  const std::string path = first_unknown(request, "");
  if (path.empty()) return absl::OkStatus();
  return error(Reason::kFieldInvalid, fmt::format("field {} of {} does not exist here", path, request.GetTypeName()),
               {{"field", path}});
}

}  // namespace kv
