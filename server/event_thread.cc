#include "server/event_thread.h"

#include <thread>
#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

namespace kv {

struct EventThread::State {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{context.get_executor()};
  boost::asio::signal_set signals{context};
  std::function<void(int)> told;
  std::thread thread{[this] { context.run(); }};

  void next_signal() {
    signals.async_wait([this](const boost::system::error_code& failed, int number) {
      if (failed) return;
      next_signal();
      told(number);
    });
  }
};

EventThread::EventThread() : state_(std::make_unique<State>()) {}

EventThread::~EventThread() {
  state_->context.stop();
  state_->thread.join();
}

void EventThread::on_signals(const std::vector<int>& numbers, std::function<void(int)> told) {
  state_->told = std::move(told);
  for (const int number : numbers) state_->signals.add(number);
  boost::asio::post(state_->context, [this] { state_->next_signal(); });
}

void EventThread::after(std::chrono::milliseconds delay, std::function<void()> then) {
  auto timer = std::make_shared<boost::asio::steady_timer>(state_->context, delay);
  timer->async_wait([timer, then = std::move(then)](const boost::system::error_code& failed) {
    if (!failed) then();
  });
}

}  // namespace kv
