#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <random>
#include <set>
#include <utility>

namespace kv {
namespace {

std::uint64_t bytes_below(const SimulatedDisk::Node& node) {
  std::uint64_t sum = node.live.data.size();
  for (const auto& [name, child] : node.live.names) sum += bytes_below(*child);
  return sum;
}

std::uint64_t fingerprint_of(const SimulatedDisk::Node& node) {
  constexpr std::uint64_t kFile = 1, kDirectory = 2;  // An empty one is not the other.
  if (!node.is_directory) return checksum64(as_bytes(node.live.data), kFile);
  std::uint64_t sum = kDirectory;
  for (const auto& [name, child] : node.live.names) sum = checksum64(as_bytes(name), sum) ^ fingerprint_of(*child);
  return sum;
}

void stabilize(SimulatedDisk::Node& node) {
  node.stable = node.live;
  for (const auto& [name, child] : node.live.names) stabilize(*child);
}

// A fresh tree with the contents given for each node; the new nodes are wholly stable.
SimulatedDisk::NodePointer copy_tree(const SimulatedDisk::NodePointer& node,
                                     const std::map<SimulatedDisk::NodePointer, SimulatedDisk::Content>& contents) {
  auto copy = std::make_shared<SimulatedDisk::Node>();
  copy->is_directory = node->is_directory;
  const auto changed = contents.find(node);
  const SimulatedDisk::Content& content = changed == contents.end() ? node->stable : changed->second;
  copy->live.data = content.data;
  for (const auto& [name, child] : content.names) copy->live.names[name] = copy_tree(child, contents);
  copy->stable = copy->live;
  return copy;
}

void collect_living(const SimulatedDisk::NodePointer& node,
                    std::map<SimulatedDisk::NodePointer, SimulatedDisk::Content>& contents) {
  contents[node] = node->live;
  for (const auto& [name, child] : node->live.names) collect_living(child, contents);
}

}  // namespace

SimulatedDisk::SimulatedDisk() : root_(std::make_shared<Node>()) { root_->is_directory = true; }

void SimulatedDisk::apply(const Change& change, Content& content) {
  switch (change.kind) {
    case Change::Kind::kWrite:
      if (content.data.size() < change.offset + change.bytes.size()) {
        content.data.resize(change.offset + change.bytes.size());
      }
      content.data.replace(change.offset, change.bytes.size(), change.bytes);
      return;
    case Change::Kind::kTruncate:
      content.data.resize(change.offset);
      return;
    case Change::Kind::kGrow:
      content.data.resize(std::max<std::size_t>(content.data.size(), change.offset));
      return;
    case Change::Kind::kName:
      if (change.target == nullptr) {
        content.names.erase(change.bytes);
      } else {
        content.names[change.bytes] = change.target;
      }
      return;
  }
}

void SimulatedDisk::make(Change change) {
  if (change.order == 0) change.order = next_order_++;
  apply(change, change.node->live);
  pending_.push_back(std::move(change));
}

void SimulatedDisk::write(const NodePointer& file, Bytes data, std::uint64_t offset) {
  make({.kind = Change::Kind::kWrite,
        .node = file,
        .offset = offset,
        .bytes = std::string(as_text(data)),
        .target = {}});
}
void SimulatedDisk::truncate(const NodePointer& file, std::uint64_t size) {
  make({.kind = Change::Kind::kTruncate, .node = file, .offset = size, .bytes = {}, .target = {}});
}
void SimulatedDisk::grow(const NodePointer& file, std::uint64_t size) {
  make({.kind = Change::Kind::kGrow, .node = file, .offset = size, .bytes = {}, .target = {}});
}
void SimulatedDisk::link(const NodePointer& directory, const std::string& name, NodePointer node) {
  make({.kind = Change::Kind::kName, .node = directory, .bytes = name, .target = std::move(node)});
}
void SimulatedDisk::unlink(const NodePointer& directory, const std::string& name) {
  make({.kind = Change::Kind::kName, .node = directory, .bytes = name, .target = {}});
}
void SimulatedDisk::rename(const NodePointer& from, const std::string& old_name, const NodePointer& to,
                           const std::string& new_name) {
  const std::uint64_t order = next_order_++;
  NodePointer moved = from->live.names.at(old_name);
  make({.kind = Change::Kind::kName, .node = from, .order = order, .bytes = old_name, .target = {}});
  make({.kind = Change::Kind::kName, .node = to, .order = order, .bytes = new_name, .target = std::move(moved)});
}

void SimulatedDisk::sync(const NodePointer& node) {
  // A rename between two directories is stable as a whole once one of them is.
  std::set<std::uint64_t> renames;
  for (const Change& change : pending_) {
    if (change.node == node && change.kind == Change::Kind::kName && !change.doomed) renames.insert(change.order);
  }
  std::vector<Change> left;
  for (Change& change : pending_) {
    const bool other_half = change.kind == Change::Kind::kName && renames.contains(change.order);
    if (change.node != node && !other_half) {
      left.push_back(std::move(change));
      continue;
    }
    if (change.doomed) continue;  // Reported as saved, and lost.
    apply(change, change.node->stable);
    // What happened to that name before must not come back after it.
    std::erase_if(left, [&](const Change& earlier) {
      return change.kind == Change::Kind::kName && earlier.kind == Change::Kind::kName && earlier.node == change.node &&
             earlier.bytes == change.bytes;
    });
  }
  pending_ = std::move(left);
}

void SimulatedDisk::fail_sync(const NodePointer& node) {
  for (Change& change : pending_) {
    if (change.node == node) change.doomed = true;
  }
}

void SimulatedDisk::sync_everything() {
  pending_.clear();
  stabilize(*root_);
}

std::uint64_t SimulatedDisk::live_bytes() const { return bytes_below(*root_); }
std::uint64_t SimulatedDisk::fingerprint() const { return fingerprint_of(*root_); }

std::vector<SimulatedDisk::Change> SimulatedDisk::choose(const Survivors& survivors) const {
  std::vector<Change> chosen;
  switch (survivors.which) {
    case Survivors::Which::kNone:
    case Survivors::Which::kAll:
      return {};
    case Survivors::Which::kOnlyNames:
    case Survivors::Which::kOnlyData: {
      const bool names = survivors.which == Survivors::Which::kOnlyNames;
      std::copy_if(pending_.begin(), pending_.end(), std::back_inserter(chosen),
                   [names](const Change& change) { return (change.kind == Change::Kind::kName) == names; });
      return chosen;
    }
    case Survivors::Which::kFirst: {
      std::size_t count = std::min(survivors.count, pending_.size());
      // A rename is not cut in two.
      if (count > 0 && count < pending_.size() && pending_[count].order == pending_[count - 1].order) ++count;
      chosen.assign(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
      if (count < pending_.size() && pending_[count].kind == Change::Kind::kWrite && survivors.torn_bytes > 0) {
        chosen.push_back(pending_[count]);
        chosen.back().bytes.resize(std::min(survivors.torn_bytes, chosen.back().bytes.size()));
      }
      return chosen;
    }
    case Survivors::Which::kRandom:
      return choose_random(survivors.seed);
  }
  return {};
}

std::vector<SimulatedDisk::Change> SimulatedDisk::choose_random(std::uint64_t seed) const {
  constexpr std::uint64_t kSectorBytes = 512;
  std::mt19937_64 random(seed);
  const std::uint64_t names_until = pending_.empty() ? 0 : pending_[random() % pending_.size()].order + random() % 2;
  std::vector<Change> chosen;
  for (const Change& change : pending_) {
    if (change.kind == Change::Kind::kName) {
      if (change.order < names_until) chosen.push_back(change);
    } else if (change.kind != Change::Kind::kWrite) {
      if (random() % 2 == 0) chosen.push_back(change);
    } else {
      const std::uint64_t end = change.offset + change.bytes.size();
      for (std::uint64_t at = change.offset; at < end;) {
        const std::uint64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
        if (random() % 2 == 0) {
          chosen.push_back(change);
          chosen.back().offset = at;
          chosen.back().bytes = change.bytes.substr(at - change.offset, next - at);
        }
        at = next;
      }
    }
  }
  return chosen;
}

SimulatedDisk SimulatedDisk::after_crash(const Survivors& survivors) const {
  std::map<NodePointer, Content> contents;
  if (survivors.which == Survivors::Which::kAll) collect_living(root_, contents);
  for (const Change& change : choose(survivors)) {
    apply(change, contents.try_emplace(change.node, change.node->stable).first->second);
  }
  SimulatedDisk restarted;
  restarted.root_ = copy_tree(root_, contents);
  return restarted;
}

}  // namespace kv
