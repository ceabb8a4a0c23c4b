#include "rpc/unpacked_message.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <new>
#include <span>

#include <fmt/format.h>
#include <grpc/compression.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>
#include <zlib.h>

#include "core/error.h"
#include "rpc/incident.h"

namespace kv {
namespace {

constexpr std::size_t kScratchBytes = 16 << 10;
constexpr std::size_t kPieceBytes = 16 << 10;
// What no packer adds to what it packs: beyond that a message is made of blocks that hold nothing, and unpacking it
// would take as long as its sender likes.
constexpr std::size_t kPackingBytesMax = 64 << 10;

// The library keeps how a message was packed where only a reader can see it.
class PackedReader final : public grpc::ProtoBufferReader {
 public:
  explicit PackedReader(grpc::ByteBuffer& packed) : ProtoBufferReader(&packed) {}
  grpc_compression_algorithm algorithm() { return reader()->buffer_in->data.raw.compression; }
};

enum class Outcome { kWhole, kBroken, kNoRoom };

// One pass over a packed message.
class Pass {
 public:
  Pass(grpc::ByteBuffer& packed, int window_bits) : reader_(packed) {
    if (inflateInit2(&stream_, window_bits) != Z_OK) throw std::bad_alloc();
  }
  Pass(const Pass&) = delete;
  Pass& operator=(const Pass&) = delete;
  ~Pass() { inflateEnd(&stream_); }

  // Goes on until the message has ended, and nothing follows it, or `size` bytes are written and more would come.
  Outcome fill(std::uint8_t* room, std::size_t size) {
    stream_.next_out = room;
    stream_.avail_out = static_cast<unsigned>(size);
    int said = Z_OK;
    while (said == Z_OK && stream_.total_in <= stream_.total_out + kPackingBytesMax) {
      take_input();
      said = inflate(&stream_, Z_NO_FLUSH);
    }
    if (said == Z_MEM_ERROR) throw std::bad_alloc();
    if (said == Z_BUF_ERROR && stream_.avail_out == 0) return Outcome::kNoRoom;
    return said == Z_STREAM_END && !take_input() ? Outcome::kWhole : Outcome::kBroken;
  }
  std::size_t written() const noexcept { return stream_.total_out; }

 private:
  // False at the end of the message. A slice may be empty, or long.
  bool take_input() {
    if (stream_.avail_in != 0) return true;
    const void* data = nullptr;
    int size = 0;
    while (slice_.empty() && reader_.Next(&data, &size)) {
      slice_ = {static_cast<const std::uint8_t*>(data), static_cast<std::size_t>(size)};
    }
    const auto piece = slice_.first(std::min(slice_.size(), kPieceBytes));
    slice_ = slice_.subspan(piece.size());
    stream_.next_in = const_cast<Bytef*>(piece.data());  // only read
    stream_.avail_in = static_cast<unsigned>(piece.size());
    return !piece.empty();
  }

  PackedReader reader_;
  std::span<const std::uint8_t> slice_;  // what is left of it
  z_stream stream_{};
};

// The last four bytes of gzip, which are its size modulo 2^32: what it claims.
std::size_t claimed_bytes(grpc::ByteBuffer& packed) {
  PackedReader reader(packed);
  std::uint32_t claimed = 0;
  const void* data = nullptr;
  int size = 0;
  while (reader.Next(&data, &size)) {
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    for (int i = size < 4 ? 0 : size - 4; i < size; ++i) claimed = claimed >> 8 | std::uint32_t{bytes[i]} << 24;
  }
  return claimed;
}

struct Unpacking {
  grpc::ByteBuffer& message;
  int window_bits;
  std::size_t bytes_max;

  // True: there are `size` bytes, and they are the message now.
  bool replace(std::size_t size) const {
    grpc::Slice room(size);
    auto* bytes = const_cast<std::uint8_t*>(room.begin());  // ours alone: just made
    Pass pass(message, window_bits);
    if (pass.fill(bytes, size) != Outcome::kWhole || pass.written() != size) return false;
    grpc::ByteBuffer unpacked(&room, 1);
    unpacked.Swap(&message);
    return true;
  }

  // Counts, up to one scratch beyond the bound.
  Outcome measure(std::size_t& size) const {
    std::uint8_t scratch[kScratchBytes];
    Pass pass(message, window_bits);
    Outcome outcome = Outcome::kNoRoom;
    while (outcome == Outcome::kNoRoom && pass.written() <= bytes_max) outcome = pass.fill(scratch, sizeof scratch);
    size = pass.written();
    return size > bytes_max ? Outcome::kNoRoom : outcome;
  }
};

absl::Status run(const Unpacking& unpacking) {
  std::size_t size = std::numeric_limits<std::size_t>::max();
  if (unpacking.window_bits > MAX_WBITS) size = claimed_bytes(unpacking.message);
  if (size <= unpacking.bytes_max && unpacking.replace(size)) return absl::OkStatus();
  const Outcome outcome = unpacking.measure(size);
  if (outcome == Outcome::kNoRoom) {
    return absl::ResourceExhaustedError(fmt::format("Received message larger than max (unpacked: more than {} vs. {})",
                                                    unpacking.bytes_max, unpacking.bytes_max));
  }
  if (outcome == Outcome::kWhole && unpacking.replace(size)) return absl::OkStatus();
  return error(Reason::kMessageInvalid, "the bytes are not what their grpc-encoding says");
}

}  // namespace

bool is_packed(grpc::ByteBuffer& message) noexcept {
  return message.Valid() && PackedReader(message).algorithm() != GRPC_COMPRESS_NONE && message.Length() != 0;
}

absl::Status unpack(grpc::ByteBuffer& message, std::size_t bytes_max) noexcept {
  if (!is_packed(message)) [[likely]]
    return absl::OkStatus();
  const grpc_compression_algorithm algorithm = PackedReader(message).algorithm();
  constexpr int kGzip = 16;  // added to the window: gzip's framing instead of zlib's
  try {
    return run({message, algorithm == GRPC_COMPRESS_GZIP ? MAX_WBITS + kGzip : MAX_WBITS, bytes_max});
  } catch (const std::bad_alloc&) {
    return request_too_large_now();
  }
}

}  // namespace kv
