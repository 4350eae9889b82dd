#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/port.hpp>
#include <tutti/transport/slots.hpp>

namespace tutti {

/// What the ranks of a host show each other at once: in each round every member
/// writes one flag and some bytes in a place of its own, and all others read them
/// there. A rank that shows something in round k + 1 has done with what was shown
/// in round k, so two places each are enough, and nobody says what it has read.
///
/// A round costs a rank one copy and one flag, where a message to each of the
/// others costs p − 1 of both. Used by one thread at a time.
class billboard {
 public:
  /// A member's two places.
  static constexpr slot_shape places{.slots = 2, .bytes = 114688};

  /// `members`: their places, initialised; `others`: the bells of all but this rank.
  billboard(int me, std::vector<slot_memory> members, std::vector<doorbell*> others)
      : me_(static_cast<std::size_t>(me)), members_(std::move(members)), others_(std::move(others)) {}

  int size() const { return static_cast<int>(members_.size()); }
  int rank() const { return static_cast<int>(me_); }
  static constexpr std::size_t most_bytes() { return places.bytes; }

  /// Begins the next round with these parts, one after the other: at most
  /// `most_bytes()`. This rank must have seen what all showed in the round before.
  void show(std::initializer_list<bytes_view> parts, const envelope& e) {
    const slot_memory& mine = members_[me_];
    slot_head& head = mine.head(round_);
    head.bytes = 0;
    for (const bytes_view& part : parts) head.bytes += part.size();
    std::byte* to = head.bytes <= slot_head::carried ? head.small : mine.data(round_);
    for (const bytes_view& part : parts) {
      if (!part.empty()) std::memcpy(to, part.data(), part.size());
      to += part.size();
    }
    head.fingerprint = e.fingerprint;
    head.what = *e.what;
    head.flag.store(++round_, std::memory_order_release);
  }
  /// To be called after that: wakes whoever sleeps for it.
  void ring() const { doorbell::ring(others_); }

  /// What a member shows in this rank's round, or nothing where it has not come to
  /// it. Valid until this rank has seen what all show in the next one.
  std::optional<piece> seen(int member) const {
    const slot_memory& theirs = members_[static_cast<std::size_t>(member)];
    slot_head& head = theirs.head(round_ - 1);
    if (head.flag.load(std::memory_order_acquire) != round_) return std::nullopt;
    return piece{.data = shown_by(member), .bytes = head.bytes, .from = {.fingerprint = head.fingerprint, .what = &head.what}};
  }
  /// Where that is, of a member that has been seen.
  const std::byte* shown_by(int member) const {
    return place(member, members_[static_cast<std::size_t>(member)].head(round_ - 1).bytes);
  }
  /// Where it will be, of one that shows so many bytes.
  const std::byte* place(int member, std::size_t bytes) const {
    const slot_memory& theirs = members_[static_cast<std::size_t>(member)];
    return bytes <= slot_head::carried ? theirs.head(round_ - 1).small : theirs.data(round_ - 1);
  }

  /// Memory that a round shows besides that, `most_bytes()` of it: to be written before
  /// `show` of no more than `slot_head::carried` bytes, and after all have been seen in
  /// the round before; and where it is, of a member that has been seen.
  std::byte* next_data() const { return members_[me_].data(round_); }
  const std::byte* data_of(int member) const { return members_[static_cast<std::size_t>(member)].data(round_ - 1); }

 private:
  std::size_t me_;
  std::vector<slot_memory> members_;
  std::vector<doorbell*> others_;
  std::uint64_t round_ = 0;
};

}  // namespace tutti
