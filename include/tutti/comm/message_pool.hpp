#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>
#include <tutti/comm/message_call.hpp>
#include <tutti/comm/posted_message.hpp>

namespace tutti {

/// The messages of one communicator as objects, used again and again, and what is
/// known of those that were like them. For the thread that uses the communicator.
class message_pool {
 public:
  /// `members` by their ranks in the session, this one being number `me`.
  message_pool(const std::vector<int>& members, int me) : members_(members), me_(me) {}

  /// Refuses what cannot be, naming the rank in the session.
  void check(const message_call* calls, std::size_t n) const {
    const int size = static_cast<int>(members_.size());
    for (std::size_t i = 0; i < n; ++i) {
      const message_call& c = calls[i];
      if (c.peer < 0 || c.peer >= size) refuse(c, format("peer %d is not a rank from 0 to %d", c.peer, size - 1));
      if (c.tag < 0) refuse(c, format("tag %d is negative", c.tag));
      if (!c.data && c.count > 0) refuse(c, format("a null pointer with %zu elements", c.count));
      for (std::size_t j = 0; j < n; ++j)
        if (i != j && !c.sends && overlap(c, calls[j]))
          refuse(c, format("what comes from rank %d overlaps what %s rank %d", members_[at(c.peer)], calls[j].sends ? "goes to" : "comes from",
                           members_[at(calls[j].peer)]));
    }
  }

  /// Refuses memory that is not the host's where no message link joins the peer: any other
  /// would load and store there. `by_messages(peer)`: whether one does.
  template <class ByMessages>
  void check_memory(const message_call* calls, std::size_t n, ByMessages by_messages) const {
    for (const message_call& c : span<const message_call>(calls, n))
      if (c.memory != memory_kind::host && c.count > 0 && !by_messages(c.peer))
        refuse(c, format("no message link joins rank %d, and no other moves memory of kind %s", members_[at(c.peer)], name_of(c.memory)));
  }

  /// A message that is ready to be submitted.
  posted_message& prepare(const message_call& c, joint_operation* part_of) {
    const known_call& k = known(c);
    posted_message& m = unused(messages_, message_hint_);
    m.detached.store(part_of != nullptr, std::memory_order_relaxed);
    m.what = k.what;
    m.mark.fingerprint = k.fingerprint;
    m.shape = k.shape;
    m.sends = c.sends;
    m.peer = c.peer;
    m.tag = c.tag;
    m.data = static_cast<std::byte*>(c.data);
    // g++ 12's ipa-modref takes a local variable that is named here for one that
    // nobody else writes to, and reads its old value after the wait: at -O1 under
    // the thread sanitizer every time, with -fno-ipa-modref never.
    asm volatile("" : : "r"(c.data) : "memory");
    m.memory = c.count > 0 ? c.memory : memory_kind::host;  // of nothing there is no place
    m.bytes = c.bytes();
    m.moved = 0;
    m.lent = m.published = false;
    m.part_of = part_of;
    return m;
  }

  /// What is waited for instead of `n` messages.
  joint_operation& join(std::size_t n) {
    joint_operation& j = unused(joints_, joint_hint_);
    j.detached.store(false, std::memory_order_relaxed);
    j.open.store(n, std::memory_order_relaxed);
    return j;
  }

 private:
  struct known_call {
    message_call asked;
    call what;
    std::uint64_t shape;        // the same on both sides; its lowest bits are 0
    std::uint64_t fingerprint;  // of all of it, on this side
  };
  static constexpr std::size_t known_calls = 64;

  static std::size_t at(int rank) { return static_cast<std::size_t>(rank); }

  [[noreturn]] void refuse(const message_call& c, const std::string& why) const {
    const int rank = members_[at(me_)];
    throw error(errc::invalid_argument, format("rank %d: %s: %s", rank, c.name(), why.c_str()), rank);
  }

  static bool overlap(const message_call& a, const message_call& b) {
    const auto a_begin = reinterpret_cast<std::uintptr_t>(a.data), b_begin = reinterpret_cast<std::uintptr_t>(b.data);
    return a.bytes() > 0 && b.bytes() > 0 && a_begin < b_begin + b.bytes() && b_begin < a_begin + a.bytes();
  }

  const known_call& known(const message_call& c) {
    if (known_.empty()) known_.resize(known_calls);
    const std::size_t mixed = (static_cast<std::size_t>(c.peer) * 2 + c.sends) * 31 + static_cast<std::size_t>(c.tag) * 7 + c.count;
    known_call& k = known_[mixed % known_calls];
    if (k.asked.is(c)) return k;
    k.asked = c;
    k.what = {.count = c.count, .element = static_cast<std::uint32_t>(c.element), .root = c.tag};
    std::strncpy(k.what.kind, c.name(), sizeof k.what.kind - 1);
    std::memcpy(k.what.type, c.type.data(), c.type.size() < sizeof k.what.type ? c.type.size() : sizeof k.what.type - 1);
    std::snprintf(k.what.operation, sizeof k.what.operation, "%s rank %d", c.sends ? "to" : "from", members_[at(c.peer)]);
    std::uint64_t hash = detail::mix(detail::mix(detail::mix(0x7475747469u, c.count), c.element), static_cast<std::uint64_t>(c.tag) ^ static_cast<std::uint64_t>(c.memory) << 32);
    for (char letter : c.type) hash = detail::mix(hash, static_cast<unsigned char>(letter));
    k.shape = hash & ~std::uint64_t{3};
    k.fingerprint = detail::mix(hash, static_cast<std::uint64_t>(c.peer) * 2 + c.sends) | 1;
    return k;
  }

  // The one that was used last, where it is free: what a loop of blocking calls
  // needs stays in cache.
  template <class Operation>
  static Operation& unused(std::vector<std::unique_ptr<Operation>>& all, std::size_t& hint) {
    for (std::size_t looks = 0; looks < all.size(); ++looks, hint = (hint + 1) % all.size()) {
      if (detail::is_free(*all[hint])) return take(*all[hint]);
    }
    all.push_back(std::make_unique<Operation>());
    hint = all.size() - 1;
    return take(*all.back());
  }
  template <class Operation>
  static Operation& take(Operation& o) {
    o.in_use = true;
    o.awaited.store(false, std::memory_order_relaxed);
    o.waits_since = 0;
    o.sleepers.store(0, std::memory_order_relaxed);
    o.state.store(static_cast<std::uint32_t>(operation::stage::running), std::memory_order_relaxed);
    return o;
  }

  const std::vector<int>& members_;
  int me_;
  std::vector<known_call> known_;
  std::vector<std::unique_ptr<posted_message>> messages_;
  std::vector<std::unique_ptr<joint_operation>> joints_;
  std::size_t message_hint_ = 0, joint_hint_ = 0;
};

}  // namespace tutti
