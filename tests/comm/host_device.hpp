#pragma once
// A device that is none: its memory is the host's, each of its streams a thread
// that does what it is given some time later, in order, and its kernels loops.
// What the calls on device memory forget to order goes wrong here as it would there.
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <tutti/base/error.hpp>
#include <tutti/base/space.hpp>
#include <tutti/device/pull_body.hpp>

namespace host_device {

struct mark {
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0, done = 0;

  std::uint64_t next() {
    const std::lock_guard held(mutex);
    return ++recorded;
  }
  std::uint64_t last() {
    const std::lock_guard held(mutex);
    return recorded;
  }
  void reach(std::uint64_t n) {
    const std::lock_guard held(mutex);
    done = std::max(done, n);
    changed.notify_all();
  }
  void wait(std::uint64_t n) {
    std::unique_lock held(mutex);
    changed.wait(held, [&] { return done >= n; });
  }
};

class stream {
 public:
  explicit stream(int device = 0) : device_(device), worker_([this] { work(); }) {}
  ~stream() {
    release();
    give({});
    worker_.join();
  }
  void give(std::function<void()> task) {
    const std::lock_guard held(mutex_);
    tasks_.push_back(std::move(task));
    changed_.notify_all();
  }
  void wait() {
    mark end;
    const std::uint64_t n = end.next();
    give([&] { end.reach(n); });
    end.wait(n);
  }
  int device() const { return device_; }

  /// It does so many tasks more, and no other until it is released.
  void hold_after(std::size_t tasks) {
    const std::lock_guard held(mutex_);
    left_ = tasks;
  }
  void release() {
    hold_after(static_cast<std::size_t>(-1));
    changed_.notify_all();
  }

 private:
  void work() {
    for (;;) {
      std::unique_lock held(mutex_);
      changed_.wait(held, [&] { return !tasks_.empty() && left_ > 0; });
      --left_;
      const std::function<void()> next = std::move(tasks_.front());
      tasks_.pop_front();
      held.unlock();
      if (!next) return;
      std::this_thread::yield();
      next();
    }
  }

  int device_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_ = static_cast<std::size_t>(-1);
  std::deque<std::function<void()>> tasks_;
  std::thread worker_;
};

struct device {
  using space = tutti::host;
  using staging = tutti::host;
  using event = std::shared_ptr<mark>;
  using order = stream*;
  static constexpr bool launches = true;

  int number = 0;
  std::string fault = {};  ///< why others cannot reach it

  struct card {
    std::byte* base;
    mark* events[2];
  };
  struct peer {
    card of{};
    std::byte* base() const { return of.base; }
  };

  event make_event(bool = false) const { return std::make_shared<mark>(); }
  void record(const event& e, order in) const {
    in->give([e, n = e->next()] { e->reach(n); });
  }
  void wait(order in, const event& e) const {
    in->give([e, n = e->last()] { e->wait(n); });
  }
  void finish(const event& e) const { e->wait(e->last()); }
  void copy(void* to, const void* from, std::size_t bytes, order in) const {
    in->give([=] {
      if (bytes > 0) std::memcpy(to, from, bytes);
    });
  }
  void fill(void* to, const void* from, std::size_t bytes) const {
    if (bytes > 0) std::memcpy(to, from, bytes);
  }
  template <class Body>
  void launch(const Body& body, std::size_t, order in) const {
    in->give([body] {
      for (std::size_t w = 0; w < 3; ++w) body(tutti::worker{w, 3});
    });
  }
  card card_of(std::byte* base, const event (&events)[2]) const { return {base, {events[0].get(), events[1].get()}}; }
  peer reach(const card& c) const {
    if (!fault.empty()) throw tutti::error(tutti::errc::device, fault);
    return {c};
  }
  void wait_for_peer(order in, const peer& p, std::size_t which) const {
    mark* const e = p.of.events[which];
    in->give([e, n = e->last()] { e->wait(n); });
  }
  void need_order(const char* who, order in) const {
    if (in->device() != number)
      throw tutti::error(tutti::errc::invalid_argument, tutti::format("%s: the stream is of device %d, and the call is for device %d", who, in->device(), number));
  }
  void need_memory(const char* who, const void* data, std::size_t bytes) const {
    if (bytes > 0 && !data) throw tutti::error(tutti::errc::invalid_argument, tutti::format("%s: a null pointer with %zu bytes", who, bytes));
  }
};

}  // namespace host_device
