// How one call is made: how long it may take, when it is made again, how safe a write must be before its answer.
//
// Threads: plain data.
#pragma once

#include <chrono>
#include <cstddef>
#include <stop_token>
#include <string>

#include "kvstore/v1/types.pb.h"

namespace kv {

// A failed call is made again after UNAVAILABLE, OVERLOADED, when the server's library cut it off, and, of a write,
// after OUTCOME_UNKNOWN; reads always, writes only with a request id: the server does such a write once, however
// often it arrives, as long as it remembers the id (--request-id-window, 10 min, and no more than --request-id-max of
// them, a million). Nothing is repeated behind the timeout of its call: where that many writes may come within it, a
// shorter timeout or attempts = 1 is for a write that must not be done twice. A delay, which follows the time that an
// overloaded server asks for, is drawn between its half and its whole, so that clients do not come together.
struct RetryPolicy {
  int attempts = 4;  // in all; 1: no retry
  std::chrono::milliseconds delay{20};
  int delay_factor = 2;
  std::chrono::milliseconds delay_max{1000};
};

struct CallOptions {
  // Of a unary call: connecting, every attempt and the delays between them. Of a stream: the longest silence.
  std::chrono::milliseconds timeout{5000};
  RetryPolicy retry = {};
  // Of a write whose message does not say it; unspecified is what the server's mode and fsync policy give.
  kvstore::v1::Durability durability = kvstore::v1::DURABILITY_UNSPECIFIED;
  // A stop gives the call up: CANCELLED with INTERRUPTED, soon.
  std::stop_token stop = {};
};

struct ClientOptions {
  std::string target;  // As parse_target() returns it.
  // A server handles all calls of one connection with one of its completion queues: one for each of them, or more, uses
  // them all.
  int connections = 1;
  int threads = 1;  // That receive the answers; connections are dealt to them in turn.
  // The largest message taken from the server. 0: the server is asked before the first call (GetConfig), so that
  // whatever can be stored can be read.
  std::size_t answer_bytes_max = 0;
  // Writes of kvstore.v1 carry a random id and are repeated with it; the server does each once while it remembers the
  // id.
  bool request_ids = true;
};

}  // namespace kv
