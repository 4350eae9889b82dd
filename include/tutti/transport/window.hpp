#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include <tutti/transport/slots.hpp>
#include <tutti/transport/ucx.hpp>

namespace tutti {

/// A place in a rank's arena, as peers name it.
struct arena_place {
  std::uint32_t segment = 0;
  std::uint32_t unused = 0;
  std::uint64_t offset = 0;
};

/// The memory that one rank opens to the others of its host: segments that are
/// added as needed and kept until the session ends. Not for two threads at a
/// time.
class arena {
 public:
  static constexpr std::size_t segment_bytes = std::size_t{1} << 20;

  explicit arena(const ucx::context& context) : context_(context) {}

  /// `bytes` bytes of zeros at a multiple of 64. A new segment where the last
  /// has too little left.
  arena_place allocate(std::size_t bytes) {
    bytes = (bytes + 63) / 64 * 64;
    for (std::size_t f = 0; f < free_.size(); ++f)
      if (free_[f].bytes == bytes) {
        arena_place place = free_[f].place;
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(f));
        std::memset(at(place), 0, bytes);
        return place;
      }
    if (segments_.empty() || used_ + bytes > segments_.back().size()) {
      segments_.emplace_back(context_, bytes > segment_bytes ? bytes : segment_bytes);
      used_ = 0;
    }
    arena_place place{static_cast<std::uint32_t>(segments_.size() - 1), 0, used_};
    used_ += bytes;
    return place;
  }

  /// Once no peer uses it any more.
  void release(arena_place place, std::size_t bytes) { free_.push_back({place, (bytes + 63) / 64 * 64}); }

  std::byte* at(arena_place place) { return segments_[place.segment].data() + place.offset; }
  const ucx::shared_memory& segment(std::uint32_t number) const { return segments_[number]; }

 private:
  struct hole {
    arena_place place;
    std::size_t bytes;
  };
  const ucx::context& context_;
  std::deque<ucx::shared_memory> segments_;
  std::size_t used_ = 0;
  std::vector<hole> free_;
};

/// The peers' arenas, as far as this rank has opened them.
class opened_arenas {
 public:
  /// Where a peer's place lies in this process; null where it cannot be opened.
  /// `address` and `key` are of the segment.
  std::byte* open(std::size_t peer, ucp_ep_h endpoint, arena_place place, std::uint64_t address,
                  const std::vector<std::byte>& key) {
    for (const segment& known : segments_)
      if (known.peer == peer && known.number == place.segment) return known.memory.data() + place.offset;
    ucx::opened_memory memory(endpoint, key.data(), address);
    if (!memory.data()) return nullptr;
    segments_.push_back({peer, place.segment, std::move(memory)});
    return segments_.back().memory.data() + place.offset;
  }

 private:
  struct segment {
    std::size_t peer;
    std::uint32_t number;
    ucx::opened_memory memory;
  };
  std::vector<segment> segments_;
};

}  // namespace tutti
