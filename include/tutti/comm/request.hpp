#pragma once
#include <utility>

#include <tutti/base/config.hpp>
#include <tutti/comm/communicator.hpp>

namespace tutti {

/// An asynchronous collective. Its buffers must live, and must not be touched,
/// until `wait` has returned or `test` has said true. Destroyed before that, it
/// lets the collective go on without anyone waiting for it. Move-only; must not
/// outlive its communicator.
class request {
 public:
  request() = default;
  request(communicator& c, operation& o) : runner_(&c.runner()), operation_(&o) {}
  request(request&& other) noexcept
      : runner_(std::exchange(other.runner_, nullptr)), operation_(std::exchange(other.operation_, nullptr)) {}
  request& operator=(request&& other) noexcept {
    std::swap(runner_, other.runner_);
    std::swap(operation_, other.operation_);
    return *this;
  }
  ~request() {
    if (operation_) let_go();
  }

  /// Returns once the collective is done. Throws `error` where it failed.
  void wait();

  /// True once the collective is done; moves it forward otherwise. Throws
  /// `error` where it failed.
  bool test();

 private:
  void let_go();
  void wait_long(operation& o);

  engine* runner_ = nullptr;
  operation* operation_ = nullptr;
};

}  // namespace tutti

#if TUTTI_WITH_BODIES
namespace tutti {

TUTTI_BODY void request::let_go() { operation_->detached.store(true); }

TUTTI_BODY void request::wait() {
  if (!operation_) return;
  operation& o = *std::exchange(operation_, nullptr);
  // What was done at once need not pass by all that waiting takes.
  if (o.current() == operation::stage::done) detail::give_back(o);
  else wait_long(o);
}

TUTTI_BODY void request::wait_long(operation& o) {
  struct at_end {
    operation& o;
    ~at_end() { detail::give_back(o); }
  } then{o};
  runner_->wait(o);
}

TUTTI_BODY bool request::test() {
  if (!operation_) return true;
  operation_->awaited.store(true, std::memory_order_relaxed);
  if (operation_->current() == operation::stage::running) {
    if (runner_->threaded()) runner_->poll_beside();
    else runner_->poll();
  }
  if (operation_->current() == operation::stage::running) return false;
  wait();
  return true;
}

}  // namespace tutti
#endif
