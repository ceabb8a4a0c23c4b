#include "rpc/plugins.h"

#include <algorithm>
#include <memory>
#include <vector>

#include <grpcpp/ext/channelz_service_plugin.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/impl/server_builder_option.h>

namespace kv {
namespace {

using Plugins = std::vector<std::unique_ptr<grpc::ServerBuilderPlugin>>;

// Names as the plugins give them.
constexpr char kReflection[] = "proto_server_reflection";
constexpr char kChannelz[] = "channelz_service";

class ChosenPlugins final : public grpc::ServerBuilderOption {
 public:
  explicit ChosenPlugins(LibraryServices wanted) : wanted_(wanted) {}

  void UpdateArguments(grpc::ChannelArguments*) override {}
  void UpdatePlugins(Plugins* plugins) override {
    if (!wanted_.reflection) remove(*plugins, kReflection);
    if (!wanted_.channelz) remove(*plugins, kChannelz);
  }

 private:
  static void remove(Plugins& plugins, const char* name) {
    std::erase_if(plugins, [name](const auto& plugin) { return plugin->name() == name; });
  }

  const LibraryServices wanted_;
};

}  // namespace

void prepare_library_services(LibraryServices wanted) {
  // Both add themselves to what every later builder carries, and only the first time.
  if (wanted.reflection) grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  if (wanted.channelz) grpc::channelz::experimental::InitChannelzService();
}

void choose_library_services(grpc::ServerBuilder& builder, LibraryServices wanted) {
  builder.SetOption(std::make_unique<ChosenPlugins>(wanted));
}

}  // namespace kv
