// Which of the library's own services a server carries: reflection and channelz.
//
// Hard part: linking them switches them on for every server of the process, by static initializers or for good. So each
// server states what it wants, and what it does not want is taken out again.
//
// Threads: from the thread that builds the server.
#pragma once

#include <grpcpp/server_builder.h>

namespace kv {

struct LibraryServices {
  bool reflection = true;
  bool channelz = true;
};

// Before BuildAndStart(), and before the builder is made when channelz is wanted: see prepare_library_services().
void choose_library_services(grpc::ServerBuilder& builder, LibraryServices wanted);
// Must come before the builder is constructed.
void prepare_library_services(LibraryServices wanted);

}  // namespace kv
