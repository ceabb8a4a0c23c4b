#include "server/connection_log.h"

#include <utility>

#include "server/log.h"

namespace kv {
namespace {

constexpr std::chrono::seconds kBetweenLines{10};

}  // namespace

void ConnectionLog::look(const AcceptorFigures& figures, std::chrono::steady_clock::time_point now) {
  const bool news =
      figures.refused_at_bound != told_at_bound_ || figures.refused_without_descriptor != told_without_descriptor_;
  if (!news || now < quiet_until_) return;
  quiet_until_ = now + kBetweenLines;
  const std::uint64_t at_bound = figures.refused_at_bound - std::exchange(told_at_bound_, figures.refused_at_bound);
  const std::uint64_t without =
      figures.refused_without_descriptor - std::exchange(told_without_descriptor_, figures.refused_without_descriptor);
  if (at_bound != 0) {
    log_warning("{} new connections were closed at once: there are {} already, the limit", at_bound, connections_max_);
  }
  if (without != 0) {
    log_warning("{} new connections were closed at once: the process has no file descriptor left", without);
  }
}

}  // namespace kv
