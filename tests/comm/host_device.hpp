#pragma once
// A device that is none: its memory is the host's, each of its streams a thread
// that does what it is given some time later, in order, and its kernels loops.
// What the calls on device memory forget to order goes wrong here as it would there.
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/base/space.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/pull_body.hpp>

namespace host_device {

/// What streams are told while they are recorded, to be done as often as it is replayed:
/// each stream's part in order, the parts in any order that the marks in it allow.
class graph;

struct mark {
  const graph* in = nullptr;  // recorded there last: no stream outside waits for it
  std::mutex mutex;
  std::condition_variable changed;
  std::uint64_t recorded = 0, done = 0;

  static mark* make() {
    static std::mutex making;
    static std::deque<mark> all;  // streams may wait for one whose owner has gone
    const std::lock_guard held(making);
    return &all.emplace_back();
  }

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
  bool is_done() {
    const std::lock_guard held(mutex);
    return done >= recorded;
  }
};

class graph {
 public:
  /// Done at the place of a stream: a task, or what comes after the number-th record of a mark.
  struct step {
    std::function<void()> task{};
    const mark* of = nullptr;
    std::uint64_t number = 0;
    bool waits = false;
  };
  graph() {
    static std::atomic<std::uint64_t> made{0};
    name_ = ++made;
  }
  std::uint64_t name() const { return name_; }
  void add(const void* stream, step s) {
    const std::lock_guard held(mutex_);
    parts_[stream].push_back(std::move(s));
  }
  /// In an order drawn from `seed`. Throws where the rest waits for what nobody does.
  void replay(std::uint64_t seed) const {
    std::map<const mark*, std::uint64_t> reached;
    std::vector<std::pair<const std::vector<step>*, std::size_t>> parts;
    for (const auto& [stream, steps] : parts_) parts.emplace_back(&steps, 0);
    auto can = [&](const auto& part) {
      if (part.second == part.first->size()) return false;
      const step& s = (*part.first)[part.second];
      return !s.waits || reached[s.of] >= s.number;
    };
    for (;;) {
      std::vector<std::size_t> able;
      bool left = false;
      for (std::size_t k = 0; k < parts.size(); ++k) {
        left |= parts[k].second < parts[k].first->size();
        if (can(parts[k])) able.push_back(k);
      }
      if (!left) return;
      if (able.empty()) throw std::logic_error("a graph waits for itself");
      seed = seed * 6364136223846793005u + 1442695040888963407u;
      auto& [steps, at] = parts[able[(seed >> 33) % able.size()]];
      const step& s = (*steps)[at++];
      if (s.task) s.task();
      else if (!s.waits) reached[s.of] = s.number;
    }
  }

 private:
  std::uint64_t name_;
  std::mutex mutex_;
  std::map<const void*, std::vector<step>> parts_;
};

class stream {
 public:
  explicit stream(int device = 0) : device_(device), worker_([this] { work(); }) {
    const std::lock_guard held(listing());
    list().insert(this);
  }
  ~stream() {
    {
      const std::lock_guard held(listing());
      list().erase(this);
    }
    release();
    give({});
    worker_.join();
  }
  /// Returns when all streams have done what they were given so far.
  static void finish_all() {
    const std::lock_guard held(listing());
    for (stream* s : list()) s->wait();
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

  /// What it is given is recorded and not done, until `record_into(nullptr)`.
  void record_into(graph* g) { into_ = g; }
  graph* recorded_into() const { return into_; }

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

  static std::mutex& listing() {
    static std::mutex one;
    return one;
  }
  static std::set<stream*>& list() {
    static std::set<stream*> all;
    return all;
  }

  int device_;
  graph* into_ = nullptr;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t left_ = static_cast<std::size_t>(-1);
  std::deque<std::function<void()>> tasks_;
  std::thread worker_;
};

/// Whose memory was taken where: kernels may use nothing else.
class memory_map {
 public:
  void add(const void* begin, std::size_t bytes, int device) {
    const std::lock_guard held(mutex_);
    taken_[static_cast<const std::byte*>(begin)] = {bytes, device};
  }
  void remove(const void* begin) {
    const std::lock_guard held(mutex_);
    taken_.erase(static_cast<const std::byte*>(begin));
  }
  std::size_t bytes() {
    const std::lock_guard held(mutex_);
    std::size_t all = 0;
    for (const auto& [begin, one] : taken_) all += one.bytes;
    return all;
  }
  /// The device, or −1.
  int device_of(const void* at) {
    const std::lock_guard held(mutex_);
    const auto* const place = static_cast<const std::byte*>(at);
    auto next = taken_.upper_bound(place);
    if (next == taken_.begin()) return -1;
    --next;
    return place < next->first + next->second.bytes ? next->second.device : -1;
  }

 private:
  struct range {
    std::size_t bytes;
    int device;
  };
  std::mutex mutex_;
  std::map<const std::byte*, range> taken_;
};
inline memory_map memories;
inline std::atomic<std::size_t> bytes_copied{0};  ///< of all ranks' devices

class taken {
 public:
  taken() = default;
  taken(std::size_t bytes, int device) : data_(bytes) { memories.add(data_.data(), bytes, device); }
  taken(taken&& other) noexcept = default;
  taken& operator=(taken&& other) noexcept = default;  // swaps
  ~taken() {
    if (!data_.data()) return;
    memories.remove(data_.data());
    stream::finish_all();  // as giving back a device's memory does
  }
  std::byte* data() { return data_.data(); }
  const std::byte* data() const { return data_.data(); }
  std::size_t size() const { return data_.size(); }

 private:
  tutti::buffer<std::byte> data_;
};

struct device {
  using space = tutti::host;
  using staging = tutti::host;
  using event = mark*;
  using order = stream*;
  struct range {
    explicit range(const char*) {}
  };
  static constexpr bool launches = true;

  int number = 0;
  std::string fault = {};  ///< why others cannot reach it
  std::shared_ptr<std::atomic<int>> left = {};  ///< calls that it does yet, where it is to fail
  tutti::memory_kind messages_move = tutti::memory_kind::host;
  struct departure {
    std::atomic<bool> begun{false}, done{false};
  };
  std::shared_ptr<departure> leaves = {};    ///< begun by the call that fails
  std::shared_ptr<departure> awaits = {};    ///< no kernel is launched between its begin and its end

  /// A device of which call number n fails.
  static device fail_after(int n) { return {.left = std::make_shared<std::atomic<int>>(n)}; }
  void work() const {
    if (!left || --*left != 0) return;
    if (leaves) leaves->begun = true;
    throw tutti::error(tutti::errc::device, "the device is broken");
  }

  using taken = host_device::taken;
  taken take(std::size_t bytes) const {
    work();
    return {bytes, number};
  }

  struct card {
    std::byte* base;
    mark* events[4];
    int device;
    int process = ::getpid();
  };
  struct peer {
    card of{};
    std::byte* base() const { return of.base; }
  };

  event make_event(bool = false) const {
    work();
    return mark::make();
  }
  void record(const event& e, order in) const {
    work();
    const std::uint64_t n = e->next();
    e->in = in->recorded_into();
    if (e->in) in->recorded_into()->add(in, {.of = e, .number = n});
    else in->give([e, n] { e->reach(n); });
  }
  void wait(order in, const event& e) const {
    work();
    wait_here(in, e);
  }
  // As a device: an event of a graph is for that graph, and one of none for none.
  static void wait_here(order in, const event& e) {
    const std::uint64_t n = e->last();
    if (n > 0 && e->in != in->recorded_into()) throw tutti::error(tutti::errc::device, "an event of another graph, or of none");
    if (in->recorded_into()) in->recorded_into()->add(in, {.of = e, .number = n, .waits = true});
    else in->give([e, n] { e->wait(n); });
  }
  void finish(const event& e) const {
    work();
    if (e->in) throw tutti::error(tutti::errc::device, "an event of a graph");
    e->wait(e->last());
  }
  /// As often as may be: not among the calls that are counted.
  bool is_done(const event& e) const { return e->in || e->is_done(); }
  static void hand(order in, std::function<void()> task) {
    if (in->recorded_into()) in->recorded_into()->add(in, {.task = std::move(task)});
    else in->give(std::move(task));
  }
  void copy(void* to, const void* from, std::size_t bytes, order in) const {
    work();
    bytes_copied += bytes;
    hand(in, [=] {
      if (bytes > 0) std::memcpy(to, from, bytes);
    });
  }
  template <class Body>
  void launch(const Body& body, std::size_t, order in) const {
    work();
    while (awaits && awaits->begun && !awaits->done) std::this_thread::yield();
    if constexpr (requires { body.memory.arena; }) {
      if (memories.device_of(body.begin) != number) throw std::logic_error("a kernel's table is not in its device's memory");
      for (const std::byte* arena : body.memory.arena)
        if (arena && memories.device_of(arena) < 0) throw std::logic_error("an arena is no device's memory");
    }
    hand(in, [body] {
      for (std::size_t w = 0; w < 3; ++w) body(tutti::worker{w, 3});
    });
  }
  card card_of(std::byte* base, const event (&events)[4]) const {
    work();
    return {base, {events[0], events[1], events[2], events[3]}, number};
  }
  bool same_process(const card& c) const { return c.process == ::getpid(); }
  bool same_device(const card& c) const { return c.device == number; }
  peer reach(const card& c) const {
    work();
    if (!fault.empty()) throw tutti::error(tutti::errc::device, fault);
    if (!same_process(c)) throw tutti::error(tutti::errc::device, "memory of another process");
    return {c};
  }
  void wait_for_peer(order in, const peer& p, std::size_t which) const {
    work();
    wait_here(in, p.of.events[which]);
  }
  std::uint64_t recorded_into(order in) const { return in->recorded_into() ? in->recorded_into()->name() : 0; }
  void need_order(const char* who, order in) const {
    if (in->device() != number)
      throw tutti::error(tutti::errc::invalid_argument, tutti::format("%s: the stream is of device %d, and the call is for device %d", who, in->device(), number));
  }
  void need_memory(const char* who, const void* data, std::size_t bytes) const {
    if (bytes > 0 && !data) throw tutti::error(tutti::errc::invalid_argument, tutti::format("%s: a null pointer with %zu bytes", who, bytes));
  }
};

}  // namespace host_device
