#pragma once
#include <atomic>
#include <utility>

namespace tutti::detail {

struct retained_base {
  virtual ~retained_base() = default;
  retained_base* next = nullptr;
};

inline std::atomic<retained_base*> all_retained{nullptr};

/// Keeps an object until the process ends: memory that something else may touch
/// after its owner has gone, which after a failure nobody can know. Any thread.
template <class T>
void retain(T object) {
  struct retained final : retained_base {
    explicit retained(T&& kept) : held(std::move(kept)) {}
    T held;
  };
  auto* entry = new retained(std::move(object));
  entry->next = all_retained.load(std::memory_order_relaxed);
  while (!all_retained.compare_exchange_weak(entry->next, entry, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

}  // namespace tutti::detail
