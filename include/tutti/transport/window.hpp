#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

#include <tutti/transport/link.hpp>
#include <tutti/transport/peers.hpp>
#include <tutti/transport/slots.hpp>
#include <tutti/transport/ucx.hpp>

namespace tutti {

/// A place in a rank's arena, as peers name it.
struct arena_place {
  std::uint32_t segment = 0;
  std::uint32_t unused = 0;
  std::uint64_t offset = 0;
};

/// How peers of the host find a place in a rank's arena; the segment's key
/// stands behind it.
struct arena_card {
  arena_place place{};
  std::uint64_t address = 0;  ///< of the segment, at its owner
  std::uint32_t key_bytes = 0;
};

/// A peer that writes to memory of this rank, or reads there how far this rank
/// has come, until it has left, or has given up its own inbox, in which it says so.
struct memory_user {
  const rank_status* status;
  const slot_credit* credit;
  std::uint64_t generation;

  bool has_left() const {
    return credit->generation.load(std::memory_order_acquire) != generation || status->left.load(std::memory_order_acquire);
  }
};

/// The memory that one rank opens to the others of its host: segments that are
/// added as needed and kept until the session ends. For any thread.
class arena {
 public:
  /// Enough for several communicators of many ranks: to open a new one takes each of
  /// them longer than all else. Of System V's memory, what is not used yet is not there.
  static constexpr std::size_t segment_bytes = std::size_t{8} << 20;

  explicit arena(const ucx::context& context) : context_(context) {}

  /// `bytes` bytes at a multiple of 64, with anything in them. A new segment where
  /// the last has too little left.
  arena_place allocate(std::size_t bytes) {
    bytes = rounded(bytes);
    const std::lock_guard held(mutex_);
    for (std::size_t f = 0; f < free_.size(); ++f)
      if (free_[f].bytes == bytes && free_[f].all_have_left()) {
        arena_place place = free_[f].place;
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(f));
        return place;
      }
    if (segments_.empty() || used_ + bytes > segments_.back().size()) grow(bytes);
    arena_place place{static_cast<std::uint32_t>(segments_.size() - 1), 0, used_};
    used_ += bytes;
    return place;
  }

  /// Of what was allocated: another's once none of `users` uses it any more.
  void release(arena_place place, std::size_t bytes, std::vector<memory_user> users = {}) {
    const std::lock_guard held(mutex_);
    free_.push_back({place, rounded(bytes), std::move(users)});
  }

  std::byte* at(arena_place place) { return segment(place.segment).data() + place.offset; }
  const ucx::shared_memory& segment(std::uint32_t number) const {
    const std::lock_guard held(mutex_);
    return segments_[number];
  }

 private:
  struct hole {
    arena_place place;
    std::size_t bytes;
    std::vector<memory_user> users;

    // Whoever has left may give up the memory in which it said so.
    bool all_have_left() {
      std::erase_if(users, [](const memory_user& u) { return u.has_left(); });
      return users.empty();
    }
  };
  static std::size_t rounded(std::size_t bytes) { return (bytes + 63) / 64 * 64; }

  void grow(std::size_t bytes) {
    try {
      segments_.emplace_back(context_, bytes > segment_bytes ? bytes : segment_bytes);
    } catch (const error&) {
      if (bytes >= segment_bytes) throw;
      segments_.emplace_back(context_, bytes);
    }
    used_ = 0;
  }

  const ucx::context& context_;
  mutable std::mutex mutex_;
  std::deque<ucx::shared_memory> segments_;
  std::size_t used_ = 0;
  std::vector<hole> free_;
};

/// Opens memory of a neighbour that `watch` knows: null data where it cannot be
/// opened, or its owner has given it up. UCX 1.13 does not survive an attempt to
/// attach to what is gone: it lets go of more than it has taken. Between the
/// question and the attempt there are microseconds.
inline ucx::opened_memory open_of(const process_watch& watch, int rank, ucp_ep_h endpoint, const std::byte* key,
                                  std::uint64_t address) {
  if (!watch.still_has(rank, address)) return {};
  return {endpoint, key, address};
}

/// The peers' arenas, as far as this rank has opened them.
class opened_arenas {
 public:
  /// Where a peer's place lies in this process; null where it cannot be opened.
  /// `address` and `key` are of the segment.
  std::byte* open(const process_watch& watch, std::size_t peer, ucp_ep_h endpoint, arena_place place, std::uint64_t address,
                  bytes_view key) {
    if (peer >= segments_.size()) segments_.resize(peer + 1);
    std::vector<ucx::opened_memory>& theirs = segments_[peer];
    if (place.segment >= theirs.size()) theirs.resize(place.segment + 1);
    ucx::opened_memory& memory = theirs[place.segment];
    if (!memory.data()) memory = open_of(watch, static_cast<int>(peer), endpoint, key.data(), address);
    return memory.data() ? memory.data() + place.offset : nullptr;
  }

 private:
  std::vector<std::vector<ucx::opened_memory>> segments_;  // by peer and number
};

}  // namespace tutti
