#pragma once
#include <atomic>
#include <cstddef>
#include <utility>

namespace tutti::detail {

/// A rank's memory on its device and the events that others wait for. Ranks of one process use
/// both by their names, and hold them together: a rank whose call fails leaves, and its peers
/// may have a kernel to give to their streams yet that names them.
template <class Device>
class shared_arena {
 public:
  static constexpr int events = 4;

  struct contents {
    typename Device::taken memory{};
    typename Device::event met[events]{};
    std::atomic<int> holders{1};
  };

  shared_arena() = default;
  /// `ranks` hold it, this one among them. The others take theirs by its address, which
  /// they are told; theirs must be given back here for those that do not.
  shared_arena(typename Device::taken memory, int ranks) : of_(new contents{.memory = std::move(memory)}) { of_->holders = ranks; }
  /// One that was counted when it was made.
  explicit shared_arena(contents* counted) : of_(counted) {}
  shared_arena(shared_arena&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  shared_arena& operator=(shared_arena&& other) noexcept {
    std::swap(of_, other.of_);
    return *this;
  }
  ~shared_arena() { give_back(1); }

  /// So many ranks, of other processes, have no use for it.
  void not_held_by(int ranks) { of_->holders -= ranks; }
  /// It stays until the process ends.
  void keep() { of_ = nullptr; }

  contents* address() const { return of_; }
  contents* operator->() const { return of_; }

 private:
  void give_back(int ranks) {
    if (of_ && of_->holders.fetch_sub(ranks) == ranks) delete of_;
  }

  contents* of_ = nullptr;
};

}  // namespace tutti::detail
