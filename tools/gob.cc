#include "tools/gob.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include <fmt/format.h>

namespace kv::tools {
namespace {

// Type ids that gob defines, and the first that it gives to a type of its user.
constexpr std::int64_t kBytes = 5;
constexpr std::int64_t kString = 6;
constexpr std::int64_t kFirstUserType = 64;
constexpr std::uint64_t kNumberBytesMax = 8;

// Thrown at the first byte that does not fit, caught in read_gob_map().
struct Misfit {
  std::string what;
};

class GobReader {
 public:
  explicit GobReader(FileView& file) : file_(file) {}

  std::uint64_t position() const noexcept { return position_; }
  bool at_end() const noexcept { return position_ == file_.size(); }
  const absl::Status& disk() const noexcept { return disk_; }

  // A message: its length, then that many bytes.
  void begin_message() {
    end_ = file_.size();
    const std::uint64_t bytes = number("a message's length");
    if (bytes == 0 || bytes > file_.size() - position_) throw Misfit{"a message that is longer than the file"};
    end_ = position_ + bytes;
  }
  void end_message() const {
    if (position_ != end_) throw Misfit{"bytes that belong to nothing at the end of a message"};
  }
  std::uint64_t left() const noexcept { return end_ - position_; }

  // Below 128 one byte; else the number of bytes, negated, and then those, the highest first.
  std::uint64_t number(std::string_view what) {
    const auto first = static_cast<std::uint8_t>(take(1, what)[0]);
    if (first < 128) return first;
    const std::uint64_t bytes = 256u - first;
    if (bytes > kNumberBytesMax) throw Misfit{fmt::format("{} is no number", what)};
    std::uint64_t value = 0;
    for (const char byte : take(bytes, what)) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }
  // The lowest bit says whether the others are complemented.
  std::int64_t signed_number(std::string_view what) {
    const std::uint64_t raw = number(what);
    const auto half = static_cast<std::int64_t>(raw >> 1);
    return (raw & 1) != 0 ? ~half : half;
  }
  void expect(std::uint64_t value, std::string_view what) {
    if (number(what) != value) throw Misfit{fmt::format("{} is not that of a map from string to bytes", what)};
  }
  // A view until the next call.
  std::string_view text(std::string_view what) { return take(number(what), what); }

 private:
  std::string_view take(std::uint64_t bytes, std::string_view what) {
    if (bytes > end_ - position_) throw Misfit{fmt::format("{} is cut off", what)};
    const auto view = file_.view(position_, bytes);
    if (!view.ok() || view->size() != bytes) {
      disk_ = view.status();
      throw Misfit{fmt::format("{} is cut off", what)};
    }
    position_ += bytes;
    return as_text(*view);
  }

  FileView& file_;
  std::uint64_t position_ = 0;
  std::uint64_t end_ = 0;
  absl::Status disk_;
};

// The definition of the map's type: wireType{MapT: mapType{CommonType{Id}, Key: string, Elem: []byte}}. Returns its id.
std::int64_t read_type(GobReader& gob) {
  gob.begin_message();
  // The definition of a type begins with its id, negated. An id has 32 bits.
  const std::int64_t negated = gob.signed_number("the type's id");
  if (negated > -kFirstUserType || negated < std::numeric_limits<std::int32_t>::min())
    throw Misfit{"the stream does not begin with the type of a map"};
  const std::int64_t id = -negated;
  gob.expect(4, "the kind of type");         // MapT is the fourth field of wireType.
  gob.expect(1, "the type's common part");   // CommonType, whose first field, a name, is empty and left out:
  gob.expect(2, "the type's second field");  // Id
  if (gob.signed_number("the type's own id") != id) throw Misfit{"the type has two ids"};
  gob.expect(0, "the end of the common part");
  gob.expect(1, "the key's field");
  if (gob.signed_number("the key's type") != kString) throw Misfit{"the keys are no strings"};
  gob.expect(1, "the value's field");
  if (gob.signed_number("the value's type") != kBytes) throw Misfit{"the values are no bytes"};
  gob.expect(0, "the end of the map's type");
  gob.expect(0, "the end of the type");
  gob.end_message();
  return id;
}

absl::StatusOr<std::uint64_t> read_pairs(GobReader& gob, std::int64_t id, const VisitPair& visit) {
  gob.begin_message();
  if (gob.signed_number("the value's id") != id) throw Misfit{"what follows is of another type"};
  gob.expect(0, "the mark of a value that is no struct");
  const std::uint64_t count = gob.number("the number of pairs");
  if (count > gob.left() / 2) throw Misfit{"more pairs than there are bytes"};  // Each has two lengths at least.
  std::string key;
  for (std::uint64_t i = 0; i < count; ++i) {
    key = gob.text("a key");
    const std::string_view value = gob.text("a value");
    if (absl::Status visited = visit(key, value); !visited.ok()) return visited;
  }
  gob.end_message();
  return count;
}

}  // namespace

absl::StatusOr<std::uint64_t> read_gob_map(FileView& file, const VisitPair& visit) {
  GobReader gob(file);
  try {
    const std::int64_t id = read_type(gob);
    auto count = read_pairs(gob, id, visit);
    if (count.ok() && !gob.at_end()) throw Misfit{"bytes behind the snapshot's end"};
    return count;
  } catch (const Misfit& misfit) {
    return gob.disk().ok() ? damage(file.path(), gob.position(), misfit.what) : gob.disk();
  }
}

}  // namespace kv::tools
