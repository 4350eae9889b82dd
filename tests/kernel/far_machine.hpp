#pragma once
// Machines for channels_last_backend without a GPU: the host, and one that is far away.
// The far one's memory cannot be touched but while its own streams, which are threads
// (tests/comm/host_device.hpp), do what they were given; its kernels take their indices
// from the last to the first; and its graphs are lists of what would have been done.
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <new>
#include <stdexcept>
#include <vector>

#include <sys/mman.h>

#include <tutti/kernel/channels_last_backend.hpp>
#include <tutti/kernel/device_groups.hpp>
#include <tutti/kernel/host_backend.hpp>
#include <tutti/kernel/naive.hpp>
#include <tutti/kernel/recorded_work.hpp>

#include "../comm/host_device.hpp"

namespace far_machine {

struct far {
  static constexpr const char* name = "far";
  static constexpr bool away = true;
};

/// Pages that are closed to everybody who has not opened them.
class pages {
 public:
  void* take(std::size_t bytes) {
    const std::lock_guard held(mutex_);
    bytes = (bytes + line - 1) / line * line;
    auto best = free_.end();
    for (auto it = free_.begin(); it != free_.end(); ++it)
      if (it->second >= bytes && (best == free_.end() || it->second < best->second)) best = it;
    if (best == free_.end()) throw std::bad_alloc();
    const std::size_t at = best->first, left = best->second - bytes;
    free_.erase(best);
    if (left > 0) free_[at + bytes] = left;
    taken_[at] = bytes;
    ++takes_;
    if (at + bytes > used_) {
      used_ = (at + bytes + page - 1) / page * page;
      if (opened_ > 0) protect(PROT_READ | PROT_WRITE);
    }
    return begin_ + at;
  }
  void give_back(void* data) {
    const std::lock_guard held(mutex_);
    const auto at = static_cast<std::size_t>(static_cast<std::byte*>(data) - begin_);
    std::size_t bytes = taken_.at(at), first = at;
    taken_.erase(at);
    if (const auto next = free_.find(at + bytes); next != free_.end()) bytes += next->second, free_.erase(next);
    if (auto before = free_.lower_bound(first); before != free_.begin() && (--before)->first + before->second == first) {
      first = before->first, bytes += before->second;
      free_.erase(before);
    }
    free_[first] = bytes;
  }
  bool holds(const void* data, std::size_t bytes) {
    const std::lock_guard held(mutex_);
    const auto* const from = static_cast<const std::byte*>(data);
    if (from < begin_ || from >= begin_ + whole) return false;
    const auto at = static_cast<std::size_t>(from - begin_);
    const auto next = taken_.upper_bound(at);
    return next != taken_.begin() && at + bytes <= std::prev(next)->first + std::prev(next)->second;
  }

  /// How often memory has been taken.
  std::size_t takes() {
    const std::lock_guard held(mutex_);
    return takes_;
  }

  void open() {
    const std::lock_guard held(mutex_);
    if (opened_++ == 0) protect(PROT_READ | PROT_WRITE);
  }
  void close() {
    const std::lock_guard held(mutex_);
    if (--opened_ == 0) protect(PROT_NONE);
  }

 private:
  static constexpr std::size_t whole = std::size_t{1} << 30, page = 4096, line = 256;
  void protect(int how) {
    if (used_ > 0 && ::mprotect(begin_, used_, how) != 0) throw std::runtime_error("mprotect");
  }

  std::mutex mutex_;
  std::byte* begin_ = static_cast<std::byte*>(::mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  std::map<std::size_t, std::size_t> free_{{0, whole}}, taken_{};
  std::size_t used_ = 0, takes_ = 0;
  int opened_ = 0;
};
inline pages memory;

using order = host_device::stream*;

/// What this thread records instead of giving it to a stream.
inline thread_local std::vector<std::function<void()>>* recording = nullptr;

template <class Task>
void give(order in, Task task) {
  auto opened = [task] {
    memory.open();
    task();
    memory.close();
  };
  if (recording) recording->push_back(opened);
  else in->give(opened);
}

}  // namespace far_machine

template <>
struct tutti::memory<far_machine::far> {
  static constexpr std::size_t alignment = 256;
  static void* allocate(std::size_t bytes) {
    if (far_machine::recording && bytes > 0) throw error(errc::device, "memory is taken while a graph is recorded");
    return bytes > 0 ? far_machine::memory.take(bytes) : nullptr;
  }
  static void release(void* data) noexcept {
    if (!data) return;
    host_device::stream::finish_all();
    far_machine::memory.give_back(data);
  }
};

template <>
struct tutti::elementwise::place<far_machine::far> {
  using order = far_machine::order;
  template <class Function>
  static void for_each(std::size_t n, const Function& f, order in) {
    far_machine::give(in, [n, f] {
      for (std::size_t i = n; i-- > 0;) f(i);
    });
  }
};

namespace far_machine {

using tutti::channels_last::pictures_of, tutti::channels_last::results_of, tutti::channels_last::weights_of;

struct device : host_device::device {
  using space = far;
  using taken = tutti::buffer<std::byte, far>;
  taken take(std::size_t bytes) const {
    work();
    return taken(bytes);
  }
  void copy(void* to, const void* from, std::size_t bytes, order in) const {
    work();
    if (recording) throw tutti::error(tutti::errc::device, "the host's memory is copied while a graph is recorded");
    give(in, [=] {
      if (bytes > 0) std::memcpy(to, from, bytes);
    });
  }
  template <class Body>
  void launch(const Body& body, std::size_t, order in) const {
    work();
    if (recording) throw tutti::error(tutti::errc::device, "other ranks are asked while a graph is recorded");
    give(in, [body] {
      for (std::size_t w = 0; w < 3; ++w) body(tutti::worker{w, 3});
    });
  }
  void need_memory(const char* who, const void* data, std::size_t bytes) const {
    if (bytes > 0 && !far_machine::memory.holds(data, bytes))
      throw tutti::error(tutti::errc::invalid_argument, tutti::format("%s: %zu bytes are not the device's", who, bytes));
  }
};

class far_context : public tutti::recordable {
 public:
  using space = far;
  far_machine::order order() { return &stream_; }
  const far_machine::device& device() const { return device_; }
  void wait() {
    if (!has_waited()) stream_.wait();
  }
  std::byte* scratch(std::size_t bytes) {
    if (scratch_.size() < bytes) scratch_ = tutti::buffer<std::byte, far>(bytes);
    return scratch_.data();
  }
  template <class Task>
  void run(Task task) {
    give(&stream_, task);
  }

 private:
  far_machine::device device_{};
  host_device::stream stream_{};
  tutti::buffer<std::byte, far> scratch_{};
};

struct host_context {
  using space = tutti::host;
  tutti::elementwise::here order() const { return {}; }
  template <class Task>
  void run(Task task) {
    task();
  }
};

/// Naive products of pictures with their channels last, in whatever 16-bit numbers add up in.
template <class T, class Context, class Geometry>
class product {
  using space = typename Context::space;
  using number = tutti::channels_last::sum_of<T>;
  using numbers = std::vector<number>;
  using in = tutti::span<const T, space>;
  using out = tutti::span<T, space>;

 public:
  product(Context& c, const Geometry& g, bool, bool) : c_(&c), g_(g) {}

  void forward(in x, in w, out y) {
    c_->run([g = g_, x = x.data(), w = w.data(), y = y.data()] {
      numbers made(g.outputs());
      const numbers a = rows(pictures_of(g), x), b = rows(weights_of(g), w);
      if constexpr (slides) tutti::naive::convolution<number>(g, a, b, tutti::span<const number>(), made);
      else tutti::naive::dense<number>(g, a, b, numbers(g.units), made);
      last(results_of(g), made, y);
    });
  }
  void weights_gradient(in x, in dy, out dw) {
    c_->run([g = g_, x = x.data(), dy = dy.data(), dw = dw.data()] {
      numbers made(g.weights());
      const numbers a = rows(pictures_of(g), x), b = rows(results_of(g), dy);
      if constexpr (slides) tutti::naive::convolution_backward_weights<number>(g, a, b, made);
      else tutti::naive::dense_backward_weights<number>(g, a, b, made);
      last(weights_of(g), made, dw);
    });
  }
  void data_gradient(in w, in dy, out dx) {
    c_->run([g = g_, w = w.data(), dy = dy.data(), dx = dx.data()] {
      numbers made(g.inputs());
      const numbers a = rows(weights_of(g), w), b = rows(results_of(g), dy);
      if constexpr (slides) tutti::naive::convolution_backward_data<number>(g, b, a, made);
      else tutti::naive::dense_backward_data<number>(g, b, a, made);
      last(pictures_of(g), made, dx);
    });
  }

 private:
  static constexpr bool slides = std::is_same_v<Geometry, tutti::convolution_geometry>;

  static numbers rows(const tutti::channels_last::sizes& s, const T* from) {
    numbers all(s.stored());
    for (std::size_t n = 0, i = 0; n < s.batch; ++n)
      for (std::size_t p = 0; p < s.places(); ++p)
        for (std::size_t c = 0; c < s.channels; ++c, ++i) all[(n * s.channels + c) * s.places() + p] = static_cast<number>(from[i]);
    return all;
  }
  static void last(const tutti::channels_last::sizes& s, const numbers& from, T* into) {
    for (std::size_t n = 0, i = 0; n < s.batch; ++n)
      for (std::size_t p = 0; p < s.places(); ++p)
        for (std::size_t c = 0; c < s.channels; ++c, ++i) into[i] = static_cast<T>(from[(n * s.channels + c) * s.places() + p]);
  }

  Context* c_;
  Geometry g_;
};

template <class Context>
struct products {
  using context = Context;
  template <class T>
  using convolution = product<T, Context, tutti::convolution_geometry>;
  template <class T>
  using dense = product<T, Context, tutti::dense_geometry>;
  struct range {
    explicit range(const char*) {}
  };
};

struct near : products<host_context> {
  using groups = tutti::host_backend<float>::groups;
};

struct away : products<far_context> {
  using device = far_machine::device;
  using groups = tutti::device_groups<device>;

  class stream {
   public:
    explicit stream(far_context&) {}
    far_machine::order order() const { return own_.get(); }

   private:
    std::unique_ptr<host_device::stream> own_ = std::make_unique<host_device::stream>();
  };

  class graph {
   public:
    void begin(far_context&) { recording = tasks_.get(); }
    void end(far_context&) { recording = nullptr; }
    void give_up(far_context&) { recording = nullptr; }
    bool empty() const { return tasks_->empty(); }
    void replay(far_context& c) {
      if (recording) throw tutti::error(tutti::errc::device, "a graph is replayed while another one is recorded");
      ++replays();
      c.order()->give([tasks = tasks_] {
        for (const auto& task : *tasks) task();
      });
    }
    /// Of all graphs of this thread.
    static int& replays() {
      static thread_local int all = 0;
      return all;
    }

   private:
    std::shared_ptr<std::vector<std::function<void()>>> tasks_ = std::make_shared<std::vector<std::function<void()>>>();
  };
};

template <class T>
using near_backend = tutti::channels_last_backend<T, near>;
template <class T>
using far_backend = tutti::channels_last_backend<T, away>;

}  // namespace far_machine
