#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/loan.hpp>
#include <tutti/transport/port.hpp>

namespace tutti {

/// A channel from one rank to another through memory that both load and store:
/// a ring of heads, each a flag, and a ring of slots. The sender copies a piece
/// into a slot and raises a flag, the receiver uses it from there; a slot that
/// stays in cache costs little more than no copy at all. A piece of at most 32
/// bytes rides in the flag's own cache line, a short one behind its head, and one
/// that the receiver can read where it lies is only named: these need no slot.
/// Every line has one writer.
///
/// In memory: the receiver's count of consumed pieces and the heads; then, or
/// elsewhere, what is short and the slots.
struct slot_shape {
  std::uint32_t slots = 4;      ///< a power of two
  std::uint32_t bytes = 32768;  ///< of one slot; a multiple of 64
  std::uint32_t heads = slots;  ///< pieces under way at a time; a power of two, not below `slots`

  constexpr std::size_t footprint() const { return heads_bytes() + pieces_bytes(); }
  constexpr std::size_t heads_bytes() const;
  constexpr std::size_t pieces_bytes() const { return heads * short_bytes() + slots * std::size_t{bytes}; }
  /// What is not longer goes without a slot, where there are more heads than slots.
  constexpr std::size_t short_bytes() const { return heads > slots ? 512 : 0; }
};

struct alignas(64) slot_head {
  static constexpr std::size_t carried = 32;

  std::atomic<std::uint64_t> flag;  ///< number of the piece, from 1, once it may be read
  std::uint64_t fingerprint;
  std::uint64_t bytes;
  loan lent;  ///< 0: the bytes are here, or lie where `small` says, counted from the channel's first piece
  std::byte small[carried];
  call what;  ///< read only where the fingerprint is not the expected one
};
static_assert(offsetof(slot_head, small) == 32 && offsetof(slot_head, what) == 64);

struct alignas(64) slot_credit {
  std::atomic<std::uint64_t> consumed;
  /// Of the channel that lies here: its memory may become another's once its
  /// receiver has used all that came.
  std::atomic<std::uint64_t> generation;
};

constexpr std::size_t slot_shape::heads_bytes() const { return sizeof(slot_credit) + heads * sizeof(slot_head); }

/// The channels from `peers` ranks of one host: slots as long as fit, together
/// with all the rest, into `budget` bytes, if that is not too short.
constexpr slot_shape shape_within(std::size_t budget, slot_shape shape, std::uint32_t shortest, std::size_t peers) {
  while (shape.bytes > shortest && shape.footprint() * peers > budget) shape.bytes /= 2;
  return shape;
}

/// Where the parts of a channel stand in its memory.
struct slot_memory {
  std::byte* base = nullptr;
  slot_shape shape{};
  std::byte* pieces = base ? base + shape.heads_bytes() : nullptr;

  /// Channel `p` of `n` that lie in one memory: the heads of all, then the pieces of
  /// all, so that few pages are touched before they are used.
  static slot_memory one_of(std::byte* all, std::size_t n, std::size_t p, slot_shape shape) {
    return {all + p * shape.heads_bytes(), shape, all + n * shape.heads_bytes() + p * shape.pieces_bytes()};
  }

  slot_credit& credit() const { return *reinterpret_cast<slot_credit*>(base); }
  slot_head& head(std::uint64_t number) const {
    return reinterpret_cast<slot_head*>(base + sizeof(slot_credit))[number & (shape.heads - 1)];
  }
  /// Where head `number` has its short piece.
  std::byte* behind(std::uint64_t number) const {
    return pieces + (number & (shape.heads - 1)) * shape.short_bytes();
  }
  std::byte* data(std::uint64_t slot) const {
    return pieces + shape.heads * shape.short_bytes() + (slot & (shape.slots - 1)) * std::size_t{shape.bytes};
  }

  /// By one of the two, before the other looks. `generation`: another than that
  /// of any channel that lay here before.
  void initialise(std::uint64_t generation = 1) const {
    new (base) slot_credit{};
    credit().generation.store(generation, std::memory_order_release);
    for (std::uint32_t i = 0; i < shape.heads; ++i) {
      slot_head& h = *new (base + sizeof(slot_credit) + i * sizeof(slot_head)) slot_head;
      h.flag.store(0, std::memory_order_relaxed);
    }
  }
};

class slot_sender final : public send_port {
 public:
  /// `of`, where not null, knows what need not be copied.
  slot_sender(slot_memory memory, doorbell& receiver, const lender* of = nullptr)
      : memory_(memory), receiver_(receiver), lender_(of), kept_(memory.shape.heads), user_(memory.shape.slots),
        generation_(memory.credit().generation.load(std::memory_order_acquire)) {}

  std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) override {
    if (sent_ - consumed_ >= memory_.shape.heads && sent_ - look_again() >= memory_.shape.heads) return full;
    slot_head& head = memory_.head(sent_);
    std::size_t n = bytes;
    loan lent = 0;
    if (n >= least_loan && lender_) {
      if (n > longest_loan) n = whole(longest_loan, e);
      lent = lender_->lend(data, n);
      if (!lent) n = bytes;
    }
    if (lent) {
      // Nothing to copy.
    } else if (n <= slot_head::carried) {
      if (n > 0) std::memcpy(head.small, data, n);
    } else {
      if (n > memory_.shape.bytes) n = whole(memory_.shape.bytes, e);
      std::byte* const to = n <= memory_.shape.short_bytes() ? memory_.behind(sent_) : free_slot();
      if (!to) return full;
      std::memcpy(to, data, n);
      const std::uint64_t place = static_cast<std::uint64_t>(to - memory_.pieces);
      std::memcpy(head.small, &place, sizeof place);
    }
    kept_[sent_ & (kept_.size() - 1)] = {.bytes = n, .lent = lent != 0};
    if (lent || in_flight > 0) in_flight += n;
    head.bytes = n;
    head.lent = lent;
    head.fingerprint = e.fingerprint;
    if (described_ != e.fingerprint) {
      described_ = e.fingerprint;
      describe_until_ = sent_ + memory_.shape.heads;
    }
    if (sent_ < describe_until_) head.what = *e.what;
    head.flag.store(++sent_, std::memory_order_release);
    receiver_.ring();
    return static_cast<std::ptrdiff_t>(n);
  }

  // What follows a loan that the receiver still reads counts as well.
  void settle() override {
    std::uint64_t consumed = memory_.credit().consumed.load(std::memory_order_acquire);
    // A receiver gives its end up only once it has used everything.
    if (memory_.credit().generation.load(std::memory_order_acquire) != generation_ || consumed < settled_) consumed = sent_;
    if (consumed == settled_) return;
    settled_ = consumed_ = consumed;
    in_flight = 0;
    bool lent = false;
    for (std::uint64_t k = consumed; k != sent_; ++k) {
      const kept& piece = kept_[k & (kept_.size() - 1)];
      lent |= piece.lent;
      if (lent) in_flight += piece.bytes;
    }
  }

 private:
  // What was sent and may not have been consumed.
  struct kept {
    std::size_t bytes = 0;
    bool lent = false;
  };

  // How many pieces have been consumed by now.
  std::uint64_t look_again() { return consumed_ = memory_.credit().consumed.load(std::memory_order_acquire); }

  // The next one, or null where it is still in use.
  std::byte* free_slot() {
    std::uint64_t& user = user_[slots_used_ & (memory_.shape.slots - 1)];
    if (user > consumed_ && user > look_again()) return nullptr;
    user = sent_ + 1;
    return memory_.data(slots_used_++);
  }

  // The longest run of whole elements, where one fits.
  static std::size_t whole(std::size_t most, const envelope& e) { return e.element < most ? most - most % e.element : most; }

  slot_memory memory_;
  doorbell& receiver_;
  const lender* lender_;
  std::vector<kept> kept_;           // by head
  std::vector<std::uint64_t> user_;  // by slot: the piece that lay there last, from 1
  std::uint64_t generation_;
  std::uint64_t sent_ = 0, consumed_ = 0, settled_ = 0, slots_used_ = 0;
  std::uint64_t described_ = 0, describe_until_ = 0;  // every head gets the call once an operation
};

class slot_receiver final : public recv_port {
 public:
  /// `from` finds what `peer` has lent; null where it does not lend.
  slot_receiver(slot_memory memory, doorbell& sender, borrower* from = nullptr, int peer = 0)
      : memory_(memory), sender_(sender), borrower_(from), peer_(peer) {}

  const piece* receive(std::byte*, std::size_t) override {
    if (open_) return &piece_;
    slot_head& head = memory_.head(received_);
    if (head.flag.load(std::memory_order_acquire) != received_ + 1) return nullptr;
    piece_.data = head.lent ? borrower_->find(peer_, head.lent)
                  : head.bytes <= slot_head::carried ? head.small : memory_.pieces + place_of(head);
    if (!piece_.data) return nullptr;
    piece_.bytes = head.bytes;
    piece_.lent = head.lent != 0;
    open_ = true;
    piece_.from = {.fingerprint = head.fingerprint, .what = &head.what};
    return &piece_;
  }

  const envelope* peek() override {
    if (open_) return &piece_.from;
    slot_head& head = memory_.head(received_);
    if (head.flag.load(std::memory_order_acquire) != received_ + 1) return nullptr;
    seen_ = {.fingerprint = head.fingerprint, .what = &head.what};
    return &seen_;
  }

  void consume(std::size_t bytes) override {
    piece_.data += bytes;
    piece_.bytes -= bytes;
    if (piece_.bytes > 0) return;
    open_ = false;
    ++received_;
    memory_.credit().consumed.store(received_, std::memory_order_release);
    sender_.ring();
  }

 private:
  static std::uint64_t place_of(const slot_head& head) {
    std::uint64_t at;
    std::memcpy(&at, head.small, sizeof at);
    return at;
  }

  slot_memory memory_;
  doorbell& sender_;
  borrower* borrower_;
  int peer_;
  std::uint64_t received_ = 0;
  piece piece_{};
  envelope seen_{};
  bool open_ = false;
};

}  // namespace tutti
