#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <tutti/comm/operation.hpp>

namespace tutti {

/// How calls are done, by their shapes: of so many those that were used last.
class known_calls {
 public:
  explicit known_calls(std::size_t most) : most_(most) {}

  std::size_t size() const { return known_.size(); }

  /// A call of that shape. One that is new `make()` prepares, and where there are
  /// enough it takes the place of the one used longest ago but for those in use:
  /// `in_use(call)`; of the one that goes `forget(call)` hears.
  template <class Make, class InUse, class Forget>
  const prepared_call& find(const call_shape& c, Make make, InUse in_use, Forget forget) {
    // Most calls are as the last, or as one before: where that was found is looked at first.
    if (last_ && last_->asked.is(c)) {
      last_->last_used = ++calls_;
      return *last_->how;
    }
    std::uint32_t& hint = hints_[(c.count * 31 + static_cast<std::size_t>(c.what) * 7 + static_cast<std::size_t>(c.root)) % hints];
    std::size_t at = hint;
    if (at >= known_.size() || !known_[at].asked.is(c)) {
      at = 0;
      while (at < known_.size() && !known_[at].asked.is(c)) ++at;
      if (at == known_.size()) at = add(c, make(), in_use, forget);
      hint = static_cast<std::uint32_t>(at);
    }
    last_ = &known_[at];
    last_->last_used = ++calls_;
    return *last_->how;
  }

 private:
  struct known_shape {
    call_shape asked;
    std::unique_ptr<prepared_call> how;
    std::uint64_t last_used = 0;
  };
  static constexpr std::size_t hints = 64;

  template <class InUse, class Forget>
  std::size_t add(const call_shape& c, std::unique_ptr<prepared_call> how, InUse in_use, Forget forget) {
    last_ = nullptr;  // where they are may change
    known_shape found{c, std::move(how)};
    // The caller's lists need not outlive the call.
    if (!c.counts.empty()) found.asked.counts = found.how->counts;
    found.asked.received = found.how->received;
    found.asked.calls = found.how->shapes;
    std::size_t oldest = known_.size();
    for (std::size_t i = 0; known_.size() >= most_ && i < known_.size(); ++i)
      if ((oldest == known_.size() || known_[i].last_used < known_[oldest].last_used) && !in_use(*known_[i].how)) oldest = i;
    if (oldest == known_.size()) {
      known_.push_back(std::move(found));
    } else {
      forget(*known_[oldest].how);
      known_[oldest] = std::move(found);
    }
    return oldest;
  }

  std::size_t most_;
  std::vector<known_shape> known_;
  known_shape* last_ = nullptr;
  std::uint32_t hints_[hints] = {};
  std::uint64_t calls_ = 0;
};

}  // namespace tutti
