#include "server/library_logs.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include "server/log.h"

namespace kv {
namespace {

void from_grpc(gpr_log_func_args* args) {
  // The library calls much an error that is only a peer's doing; our own answer to the peer says what matters.
  if (args->severity == GPR_LOG_SEVERITY_ERROR) {
    log_warning("grpc: {}", args->message);
  } else {
    log_debug("grpc: {}", args->message);
  }
}

void from_protobuf(google::protobuf::LogLevel level, const char*, int, const std::string& message) {
  if (level == google::protobuf::LOGLEVEL_FATAL) {
    log_error("protobuf: {}", message);
  } else {
    log_debug("protobuf: {}", message);  // Complaints about a peer's bytes: answered, not logged.
  }
}

}  // namespace

void redirect_library_logs() {
  gpr_set_log_function(from_grpc);
  google::protobuf::SetLogHandler(from_protobuf);
}

}  // namespace kv
