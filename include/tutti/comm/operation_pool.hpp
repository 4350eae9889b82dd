#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include <tutti/comm/operation.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/transport/link.hpp>
#include <tutti/transport/loan.hpp>

namespace tutti {

/// The operations of one communicator as objects, used again and again with the
/// memory that they have. For the thread that uses the communicator.
class operation_pool {
 public:
  /// Idle ones keep at most `kept_bytes` bytes together. `joined`, which must outlive
  /// it, has memory for what is long enough to be lent.
  operation_pool(fabric& joined, std::size_t kept_bytes) : joined_(joined), kept_bytes_(kept_bytes) {}

  /// One for such a call, with the memory that it needs.
  operation& take(const prepared_call& p) {
    if (keeps_too_much_) make_room(0);
    operation& o = occupied(find(p), p);
    if (o.scratch.size() < p.scratch_bytes()) try {
        o.scratch = {};
        make_room(p.scratch_bytes());
        o.scratch = scratch(p.scratch_bytes());
      } catch (...) {
        detail::give_back(o);
        throw;
      }
    return o;
  }

  /// Whether `take_reserved` has one for a call of `short_calls`: it throws nothing.
  bool has_reserved(const prepared_call& p) const {
    // Its scratch may have been given back meanwhile: for other calls.
    return reserved_for_ == &p && !reserved_->in_use && !keeps_too_much_ && reserved_->scratch.size() >= reserved_bytes_;
  }
  /// Sees to it that it does, which may throw: to be called before anything is shown.
  void reserve(const prepared_call& p) {
    tidy();
    if (!reserved_ || reserved_->in_use || !reserved_->direct.has_room_for(*p.direct()) || reserved_->scratch.size() < p.scratch_bytes()) {
      operation& o = take(p);
      detail::give_back(o);
      o.direct.prepare(*p.direct());
      reserved_ = &o;
    }
    reserved_for_ = &p;
    reserved_bytes_ = p.scratch_bytes();
  }
  operation& take_reserved(const prepared_call& p) { return occupied(*reserved_, p); }
  /// The same, to stand for a call that is done: of it only its number and state hold.
  operation& take_done(std::uint64_t number) {
    operation& o = *reserved_;
    o.in_use = true;
    o.detached.store(false, std::memory_order_relaxed);
    o.what.number = number;
    o.part_of = nullptr;
    o.state.store(static_cast<std::uint32_t>(operation::stage::done), std::memory_order_relaxed);
    return o;
  }

  /// To be called after some were given back.
  void tidy() {
    if (keeps_too_much_) make_room(0);
  }

  bool in_use(const prepared_call& p) const {
    for (const auto& o : operations_)
      if (o->in_use && o->plan == &p) return true;
    return false;
  }
  std::size_t in_use() const {
    std::size_t n = 0;
    for (const auto& o : operations_) n += o->in_use;
    return n;
  }
  void forget(const prepared_call& p) {
    for (const auto& o : operations_) o->forget(p);
    if (reserved_for_ == &p) reserved_for_ = nullptr;
  }
  std::size_t scratch_bytes() const {
    std::size_t bytes = 0;
    for (const auto& o : operations_) bytes += o->scratch.size();
    return bytes;
  }

 private:
  // What is long enough to be lent lies where it can be, if there is room.
  buffer<std::byte> scratch(std::size_t bytes) {
    if (bytes >= least_loan) try {
        return {joined_.memory(), bytes};
      } catch (const std::bad_alloc&) {
      }
    return buffer<std::byte>(bytes);
  }

  // Idle operations give back what they keep, the one used longest ago first,
  // until a call's memory stays within what was allowed.
  void make_room(std::size_t bytes) {
    for (;;) {
      std::size_t held = 0;
      operation* oldest = nullptr;
      for (const auto& o : operations_) {
        held += o->scratch.size();
        if (detail::is_free(*o) && o->scratch.size() > 0 && (!oldest || o->what.number < oldest->what.number)) oldest = o.get();
      }
      keeps_too_much_ = held > kept_bytes_ || bytes > kept_bytes_ - held;
      if (!keeps_too_much_ || !oldest) return;
      oldest->scratch = {};
    }
  }

  // One that last did the same has all the memory that it needs. Otherwise the
  // smallest that has enough: what once had memory for a shape keeps it.
  operation& find(const prepared_call& p) {
    operation* found = nullptr;
    bool enough = false;
    for (const auto& o : operations_) {
      if (!detail::is_free(*o)) continue;
      if (o->plan == &p) return *o;
      const bool here = o->has_room_for(p);
      if (!found || here > enough || (here == enough && o->scratch.size() < found->scratch.size())) found = o.get();
      enough |= here;
    }
    if (found) return *found;
    return *operations_.emplace_back(std::make_unique<operation>());
  }

  static operation& occupied(operation& o, const prepared_call& p) {
    o.in_use = true;
    o.detached.store(false, std::memory_order_relaxed);
    o.begun = o.broken = o.told = false;
    o.take(p);
    o.part_of = nullptr;
    o.sleepers.store(0, std::memory_order_relaxed);
    o.state.store(static_cast<std::uint32_t>(operation::stage::running), std::memory_order_relaxed);
    return o;
  }

  fabric& joined_;
  std::size_t kept_bytes_;
  std::vector<std::unique_ptr<operation>> operations_;
  operation* reserved_ = nullptr;
  const prepared_call* reserved_for_ = nullptr;
  std::size_t reserved_bytes_ = 0;  // that such a call needs
  bool keeps_too_much_ = false;  // those under way need more than they may
};

}  // namespace tutti
