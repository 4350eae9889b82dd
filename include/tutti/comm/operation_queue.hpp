#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <sched.h>

#include <tutti/comm/flight_recorder.hpp>
#include <tutti/comm/mailbox.hpp>
#include <tutti/comm/operation.hpp>
#include <tutti/comm/statistics.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/operation_id.hpp>

namespace tutti {

/// The operations of one communicator, in the order in which they were issued:
/// the first runs, the others wait. Filled by the caller, run by an engine.
class operation_queue {
 public:
  /// `members` by their ranks in the session.
  operation_queue(std::unique_ptr<link> l, std::vector<int> members, communicator_key key = 0)
      : link_(std::move(l)), members_(std::move(members)), key_(key) {}

  link& channels() { return *link_; }
  /// Counts what a schedule has sent, where it does not go through the channels.
  auto bill() {
    return [this](int peer, std::size_t bytes) { link_->to(peer).count(bytes); };
  }
  const std::vector<int>& members() const { return members_; }
  communicator_key key() const { return key_; }
  flight_recorder& recorder() { return recorder_; }
  const flight_recorder& recorder() const { return recorder_; }

  /// Operations that have not ended.
  std::size_t length() {
    lock();
    std::size_t n = 0;
    for (const operation* o = front(); o; o = o->next) ++n;
    unlock();
    return n;
  }

  /// The messages of the same communicator; there before an engine moves it.
  std::unique_ptr<mailbox> messages;

  /// Where the engine counts; null for nowhere.
  detail::counter_block* counts = nullptr;
  /// Where it is counted that its engine sleeps: null for nowhere.
  struct awaited {
    detail::counter_block::wait_tally* by_call = nullptr;
    detail::counter_block::wait_tally* by_link = nullptr;  ///< to the one rank that is waited for

    void slept(double seconds) const {
      if (by_call) by_call->add(seconds);
      if (by_link) by_link->add(seconds);
    }
  };
  awaited awaits() {
    const operation* o = front();
    const bool collective = o && o->begun && !o->broken;
    if (!counts || !(collective || messages->busy())) return {};
    const int peer = collective ? o->waits_for() : messages->waits_for();
    return {collective ? &counts->collectives[static_cast<std::size_t>(o->waits_in())].slept : &counts->messages_slept,
            peer < 0 ? nullptr : &counts->sleeps[static_cast<std::size_t>(link_->kind(peer))]};
  }
  std::uint64_t id(std::uint64_t number) const { return operation_id(key_, number); }

  void push(operation& o) {
    o.next = nullptr;
    lock();
    if (last_) last_->next = &o;
    else first_.store(&o, std::memory_order_release);
    last_ = &o;
    unlock();
  }
  bool empty() const { return !front(); }
  /// Only its engine takes it away.
  operation* front() const { return first_.load(std::memory_order_acquire); }
  void pop() {
    lock();
    operation* const next = front()->next;
    if (!next) last_ = nullptr;
    first_.store(next, std::memory_order_release);
    unlock();
  }

  /// Filled by the thread that its engine runs in, and by no other.
  void keep_to_one_thread() { one_thread_ = true; }

 private:
  void lock() {
    while (!one_thread_ && locked_.test_and_set(std::memory_order_acquire)) ::sched_yield();
  }
  void unlock() { locked_.clear(std::memory_order_release); }

  std::unique_ptr<link> link_;
  std::vector<int> members_;
  communicator_key key_;
  flight_recorder recorder_;
  std::atomic<operation*> first_{nullptr};
  operation* last_ = nullptr;
  bool one_thread_ = false;
  std::atomic_flag locked_ = ATOMIC_FLAG_INIT;
};

}  // namespace tutti
