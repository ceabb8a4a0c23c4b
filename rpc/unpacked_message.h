// Messages that a client has compressed, unpacked by us: into exactly the room they need, and never into more than a
// message may have.
//
// Why not the library's: 1.51 unpacks first and asks how large it has become afterwards. 500 KB from one client were
// half a gigabyte of memory before they were refused. Without its filter (rpc/server.cc turns that off, for every
// method of the server) a message arrives as it was sent, and its buffer says how it was packed.
//
// Hard part: how much it will be is not known before it is unpacked, and no memory may be spent on finding out. gzip
// says so at its end, which may be a lie: it is believed only up to the bound, and has to come true to the byte. What
// it says of more, and deflate, which says nothing, is counted by a first pass whose output is thrown away.
//
// Threads: a free function, safe from any thread; takes as long as it takes: some milliseconds for a megabyte.
// Errors:  RESOURCE_EXHAUSTED in the library's words and, as from the library, without a reason: clients know it by
//          them. MESSAGE_INVALID for a stream that is broken, ends early, or is followed by anything.
//          MEMORY_LIMIT. In all three the buffer stays as it was.
// Bounds:  memory `bytes_max`, one scratch of 16 KiB and the 40 KiB of zlib; time two passes over `bytes_max`, and over
//          64 KiB more of what is packed than it has become: a message of blocks that hold nothing is broken.
// Source:  RFC 1952 (gzip, one member only, as the library has it), RFC 1950 (zlib, which gRPC calls deflate), zlib.h;
//          GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION in grpc/impl/codegen/grpc_types.h.
#pragma once

#include <cstddef>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"

namespace kv {

// A client has compressed it, and it is not unpacked yet.
bool is_packed(grpc::ByteBuffer& message) noexcept;

// In place. What was not compressed, is empty, or is no message yet, stays as it is.
absl::Status unpack(grpc::ByteBuffer& message, std::size_t bytes_max) noexcept;

}  // namespace kv
