#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/device/buffer.hpp>
#include <tutti/transport/call.hpp>
#include <tutti/transport/loan.hpp>

namespace tutti {

/// Of one channel: messages that have come, or were announced, before anybody
/// asked for them, in order. Takes all its memory at its first use, of which the
/// pages that nothing was written to cost nothing.
class unexpected_messages {
 public:
  /// What a sender may leave unmatched: messages, and of these how many with
  /// their bytes, if they have fewer than `least_loan`.
  static constexpr std::uint32_t most = 1024, most_stored = 32;

  struct arrival {
    call what;
    std::uint64_t shape;
    std::uint64_t number;
    std::byte* data;  ///< null where it was announced only
    bool complete;    ///< all of its bytes are here
    arrival* behind;
  };

  bool empty() const { return !first_; }

  /// To be called before the first `add`.
  void open() {
    if (arrivals_.size() > 0) return;
    buffer<std::byte> bytes(most_stored * least_loan);
    arrivals_ = buffer<arrival>(most);
    bytes_ = static_cast<buffer<std::byte>&&>(bytes);
  }

  /// At the end; the sender has counted, so that there is room.
  arrival& add(const call& what, std::uint64_t shape, std::uint64_t number, bool stored) {
    arrival& a = spare_ ? *spare_ : arrivals_[used_++];
    if (spare_) spare_ = spare_->behind;
    a = {.what = what, .shape = shape, .number = number, .data = stored ? place() : nullptr, .complete = !stored, .behind = nullptr};
    (last_ ? last_->behind : first_) = &a;
    last_ = &a;
    return a;
  }

  /// The first with this tag, or null.
  arrival* find(int tag) const {
    for (arrival* a = first_; a; a = a->behind)
      if (a->what.root == tag) return a;
    return nullptr;
  }

  void remove(arrival& gone) {
    arrival* before = nullptr;
    for (arrival* a = first_; a != &gone; a = a->behind) before = a;
    (before ? before->behind : first_) = gone.behind;
    if (last_ == &gone) last_ = before;
    if (gone.data) free_[free_count_++] = gone.data;
    gone.behind = spare_;
    spare_ = &gone;
  }

 private:
  std::byte* place() { return free_count_ > 0 ? free_[--free_count_] : bytes_.data() + least_loan * placed_++; }

  buffer<arrival> arrivals_;
  buffer<std::byte> bytes_;
  arrival* first_ = nullptr;
  arrival* last_ = nullptr;
  arrival* spare_ = nullptr;
  std::uint32_t used_ = 0;
  std::byte* free_[most_stored] = {};
  std::uint32_t free_count_ = 0, placed_ = 0;
};

}  // namespace tutti
