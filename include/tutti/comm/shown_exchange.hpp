#pragma once
#include <cstddef>
#include <cstring>
#include <initializer_list>

#include <tutti/comm/board_round.hpp>

namespace tutti {

/// What ranks that exchange blocks by counts which only two know each show in one
/// round of a billboard: how many elements each sends to every other and expects
/// from it, and, where there is room, the elements.
class shown_exchange {
 public:
  /// Bytes that the counts of one rank take.
  static constexpr std::size_t counts_bytes(std::size_t ranks) { return 2 * ranks * sizeof(std::size_t); }
  static constexpr bool has_room(std::size_t ranks, std::size_t bytes) { return counts_bytes(ranks) + bytes <= billboard::most_bytes(); }

  /// Begins the round: `to` and `from` have a count for each rank, `data` all that
  /// goes to them, in elements of `e`.
  static void show(board_round& round, billboard& board, const std::size_t* to, const std::size_t* from, const std::byte* data, const envelope& e) {
    const auto p = static_cast<std::size_t>(board.size());
    std::size_t elements = 0;
    for (std::size_t r = 0; r < p; ++r) elements += to[r];
    auto bytes = [&](const std::size_t* counts) { return bytes_view(reinterpret_cast<const std::byte*>(counts), p * sizeof *counts); };
    round.start(board, {bytes(to), bytes(from), has_room(p, elements * e.element) ? bytes_view(data, elements * e.element) : bytes_view{}}, e);
  }

  /// Of a round that is done; `element` bytes each.
  shown_exchange(const board_round& round, std::size_t element) : round_(round), ranks_(round.size()), element_(element) {}

  /// Elements from s to d, as s says, and as d does.
  std::size_t sent(int s, int d) const { return count(s, d); }
  std::size_t expected(int s, int d) const { return count(d, ranks_ + s); }

  /// Whether any two say the same: the same answer on all.
  bool agreed() const {
    for (int s = 0; s < ranks_; ++s)
      for (int d = 0; d < ranks_; ++d)
        if (sent(s, d) != expected(s, d)) return false;
    return true;
  }
  /// Whether all elements are there too: the same answer on all.
  bool complete() const {
    for (int s = 0; s < ranks_; ++s)
      if (!has_room(static_cast<std::size_t>(ranks_), before(s, ranks_) * element_)) return false;
    return true;
  }
  /// Puts what is for `me` into `out`, block after block.
  void copy(int me, std::byte* out) const {
    for (int s = 0; s < ranks_; ++s) {
      const std::size_t bytes = sent(s, me) * element_;
      if (bytes == 0) continue;
      std::memcpy(out, round_.shown_by(s) + counts_bytes(static_cast<std::size_t>(ranks_)) + before(s, me) * element_, bytes);
      out += bytes;
    }
  }

 private:
  std::size_t count(int by, int place) const {
    std::size_t n;
    std::memcpy(&n, round_.shown_by(by) + static_cast<std::size_t>(place) * sizeof n, sizeof n);
    return n;
  }
  // Elements that s sends to ranks below d.
  std::size_t before(int s, int d) const {
    std::size_t n = 0;
    for (int r = 0; r < d; ++r) n += sent(s, r);
    return n;
  }

  const board_round& round_;
  int ranks_;
  std::size_t element_;
};

}  // namespace tutti
