#include "client/unary_call.h"

namespace kv {

AttemptContext::AttemptContext(Attempts& attempts, CallMetadata* metadata)
    : metadata_(metadata),
      on_stop_(attempts.stop(), Cancel{context}),
      on_closing_(attempts.closing(), Cancel{context}) {
  if (attempts.has_deadline()) context.set_deadline(attempts.deadline());
  if (metadata_ == nullptr) return;
  for (const auto& [name, value] : metadata_->sent) context.AddMetadata(name, value);
}

void AttemptContext::ended() {
  if (metadata_ == nullptr) return;
  metadata_->trailers.clear();
  for (const auto& [name, value] : context.GetServerTrailingMetadata()) {
    metadata_->trailers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
}

}  // namespace kv
