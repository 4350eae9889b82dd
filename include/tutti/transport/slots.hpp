#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/port.hpp>

namespace tutti {

/// A channel from one rank to another through memory that both load and store:
/// a ring of slots, each a flag and some bytes. The sender copies a piece into
/// a slot and raises its flag, the receiver uses it from there; a slot that
/// stays in cache costs little more than no copy at all. A piece of at most 32
/// bytes rides in the flag's own cache line. Every line has one writer.
///
/// In memory: the receiver's count of consumed slots, the slots' heads, their
/// bytes.
struct slot_shape {
  std::uint32_t slots = 4;      ///< a power of two
  std::uint32_t bytes = 32768;  ///< of one slot; a multiple of 64

  constexpr std::size_t footprint() const;
};

struct alignas(64) slot_head {
  static constexpr std::size_t carried = 32;

  std::atomic<std::uint64_t> flag;  ///< number of the piece, from 1, once it may be read
  std::uint64_t fingerprint;
  std::uint64_t bytes;
  std::uint64_t unused;
  std::byte small[carried];
  call what;  ///< read only where the fingerprint is not the expected one
};
static_assert(offsetof(slot_head, small) == 32 && offsetof(slot_head, what) == 64);

struct alignas(64) slot_credit {
  std::atomic<std::uint64_t> consumed;
};

constexpr std::size_t slot_shape::footprint() const {
  return sizeof(slot_credit) + slots * (sizeof(slot_head) + std::size_t{bytes});
}

/// Where the parts of a channel stand in its memory.
struct slot_memory {
  std::byte* base = nullptr;
  slot_shape shape{};

  slot_credit& credit() const { return *reinterpret_cast<slot_credit*>(base); }
  slot_head& head(std::uint64_t number) const {
    return reinterpret_cast<slot_head*>(base + sizeof(slot_credit))[number & (shape.slots - 1)];
  }
  std::byte* data(std::uint64_t number) const {
    return base + sizeof(slot_credit) + shape.slots * sizeof(slot_head) +
           (number & (shape.slots - 1)) * std::size_t{shape.bytes};
  }

  /// By one of the two, before the other looks.
  void initialise() const {
    new (base) slot_credit{};
    for (std::uint32_t i = 0; i < shape.slots; ++i) {
      slot_head& h = *new (base + sizeof(slot_credit) + i * sizeof(slot_head)) slot_head;
      h.flag.store(0, std::memory_order_relaxed);
    }
  }
};

class slot_sender final : public send_port {
 public:
  slot_sender(slot_memory memory, doorbell& receiver) : memory_(memory), receiver_(receiver) {}

  std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) override {
    if (sent_ - consumed_ == memory_.shape.slots) {
      consumed_ = memory_.credit().consumed.load(std::memory_order_acquire);
      if (sent_ - consumed_ == memory_.shape.slots) return full;
    }
    slot_head& head = memory_.head(sent_);
    std::size_t n = bytes;
    if (n <= slot_head::carried) {
      if (n > 0) std::memcpy(head.small, data, n);
    } else {
      if (n > memory_.shape.bytes) {
        n = memory_.shape.bytes;
        if (e.element < n) n -= n % e.element;
      }
      std::memcpy(memory_.data(sent_), data, n);
    }
    head.bytes = n;
    head.fingerprint = e.fingerprint;
    if (described_ != e.fingerprint) {
      described_ = e.fingerprint;
      describe_until_ = sent_ + memory_.shape.slots;
    }
    if (sent_ < describe_until_) head.what = *e.what;
    head.flag.store(++sent_, std::memory_order_release);
    receiver_.ring();
    return static_cast<std::ptrdiff_t>(n);
  }

 private:
  slot_memory memory_;
  doorbell& receiver_;
  std::uint64_t sent_ = 0, consumed_ = 0;
  std::uint64_t described_ = 0, describe_until_ = 0;  // every slot gets the call once an operation
};

class slot_receiver final : public recv_port {
 public:
  slot_receiver(slot_memory memory, doorbell& sender) : memory_(memory), sender_(sender) {}

  const piece* receive(std::byte*, std::size_t) override {
    if (open_) return &piece_;
    slot_head& head = memory_.head(received_);
    if (head.flag.load(std::memory_order_acquire) != received_ + 1) return nullptr;
    open_ = true;
    piece_.bytes = head.bytes;
    piece_.data = head.bytes <= slot_head::carried ? head.small : memory_.data(received_);
    piece_.from = {.fingerprint = head.fingerprint, .what = &head.what};
    return &piece_;
  }

  const envelope* peek() override {
    const piece* next = receive(nullptr, 0);
    return next ? &next->from : nullptr;
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
  slot_memory memory_;
  doorbell& sender_;
  std::uint64_t received_ = 0;
  piece piece_{};
  bool open_ = false;
};

}  // namespace tutti
