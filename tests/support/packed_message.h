// Messages as a client has packed them, broken ones and bombs too: the library's own clients make neither.
//
// Hard part: a client's library leaves alone what says that it is packed already, but only its inside may say so.
//
// Threads: free functions. Errors: std::runtime_error, and a call that does not end within 30 s is cancelled.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <grpc/compression.h>
#include <grpcpp/channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <zlib.h>

namespace kv {

// `bytes` and then so many zeros, packed.
inline std::string packed(const std::string& bytes, grpc_compression_algorithm algorithm, std::size_t zeros = 0) {
  z_stream stream{};
  const int window_bits = algorithm == GRPC_COMPRESS_GZIP ? MAX_WBITS + 16 : MAX_WBITS;
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::runtime_error("zlib");
  std::string out;
  std::string room(64 << 10, '\0');
  const auto put = [&](std::string part, int flush) {
    stream.next_in = reinterpret_cast<Bytef*>(part.data());
    stream.avail_in = static_cast<unsigned>(part.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(room.data());
      stream.avail_out = static_cast<unsigned>(room.size());
      deflate(&stream, flush);
      out.append(room, 0, room.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  };
  put(bytes, Z_NO_FLUSH);
  constexpr std::size_t kPart = 1 << 20;
  for (; zeros > kPart; zeros -= kPart) put(std::string(kPart, '\0'), Z_NO_FLUSH);
  put(std::string(zeros, '\0'), Z_FINISH);
  deflateEnd(&stream);
  return out;
}

// A buffer as it is received: in slices of so many bytes, and marked.
inline grpc::ByteBuffer packed_buffer(const std::string& bytes, grpc_compression_algorithm algorithm,
                                      std::size_t slice_bytes = 8 << 10) {
  struct Marker : grpc::ProtoBufferReader {
    explicit Marker(grpc::ByteBuffer& buffer) : ProtoBufferReader(&buffer) {}
    void mark(grpc_compression_algorithm as) { reader()->buffer_in->data.raw.compression = as; }
  };
  std::vector<grpc::Slice> slices;
  for (std::size_t at = 0; at < bytes.size(); at += slice_bytes) slices.emplace_back(bytes.substr(at, slice_bytes));
  grpc::ByteBuffer buffer(slices.data(), slices.size());
  Marker(buffer).mark(algorithm);
  return buffer;
}

struct PackedReply {
  grpc::Status status;
  std::string answer;  // the first
};

// A call of any kind with one message, which is sent as it is.
inline PackedReply call_packed(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                               const std::string& bytes, grpc_compression_algorithm algorithm) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_compression_algorithm(algorithm);
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  grpc::CompletionQueue queue;
  const auto step = [&queue] {
    void* tag = nullptr;
    bool ok = false;
    if (!queue.Next(&tag, &ok)) throw std::runtime_error("the queue has ended");
    return ok;
  };
  const auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  step();
  call->WriteLast(packed_buffer(bytes, algorithm), {}, nullptr);
  step();
  PackedReply reply;
  grpc::ByteBuffer answer;
  call->Read(&answer, nullptr);
  grpc::Slice slice;
  if (step() && answer.DumpToSingleSlice(&slice).ok())
    reply.answer.assign(reinterpret_cast<const char*>(slice.begin()), slice.size());
  grpc::ByteBuffer more;
  for (bool there = true; there;) {
    call->Read(&more, nullptr);
    there = step();
  }
  call->Finish(&reply.status, nullptr);
  step();
  return reply;
}

}  // namespace kv
