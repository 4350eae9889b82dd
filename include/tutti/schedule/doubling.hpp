#pragma once
#include <tutti/schedule/cyclic.hpp>
#include <tutti/schedule/tree.hpp>

namespace tutti {

/// Algorithms on a power of two of ranks serve any number: each of the first
/// ranks hands its operand to its right neighbour, which plays for both, and
/// gets the result from it. Neighbours, so that operands stay in order.
struct power_of_two_players {
  int ranks = 1;
  int players = 1;  ///< the largest power of two that is at most `ranks`

  constexpr explicit power_of_two_players(const team& all) : ranks(all.size), players(power_below(all.size)) {}

  constexpr int paired() const { return 2 * (ranks - players); }
  constexpr bool watches(rank r) const { return r.value < paired() && r.value % 2 == 0; }
  constexpr bool plays_for_two(rank r) const { return r.value < paired() && r.value % 2 == 1; }
  constexpr int player(rank r) const { return r.value < paired() ? r.value / 2 : r.value - paired() / 2; }
  constexpr rank rank_of(int player) const {
    return {player < paired() / 2 ? 2 * player + 1 : player + paired() / 2};
  }
};

/// In round k everyone exchanges all it has with the player 2^k away: the
/// vector log2 p times from each rank, in log2 p hops (for other p than powers
/// of two, twice more for some). Keeps the order of operands.
///
/// Two chunks take turns, or nobody could receive before its own send is over.
constexpr schedule doubling_all_reduce(const team& all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  const power_of_two_players game(all);
  const rank neighbour = {me.value ^ 1};
  if (game.watches(me)) {
    s.send(neighbour, chunk{0});
    s.recv(neighbour, chunk{0});
    return s;
  }
  if (game.plays_for_two(me)) s.recv_reduce(neighbour, chunk{0}, side::left);

  chunk held{0}, other{1};
  for (int distance = 1; distance < game.players; distance *= 2) {
    const rank peer = game.rank_of(game.player(me) ^ distance);
    s.send(peer, held);
    s.recv_reduce(peer, other, peer < me ? side::left : side::right, held);
    const chunk written = other;
    other = held;
    held = written;
  }
  if (held != chunk{0}) s.copy(held, chunk{0});
  if (game.plays_for_two(me)) s.send(neighbour, chunk{0});
  return s;
}

/// In round k everyone hands what it has folded to the rank 2^k after it: what a
/// rank has covers twice as many ranks before it, until that is all. `held` is
/// the operand of ranks `first` and up, and `other` a chunk to take turns with.
/// Returns where the result stands.
constexpr chunk fold_from_before(schedule& s, const team& all, rank me, int first, chunk held, chunk other) {
  for (int distance = 1; distance < all.size - first; distance *= 2) {
    const rank before{me.value - distance}, after{me.value + distance};
    if (after.value < all.size) s.send(after, held);
    if (before.value < first) continue;
    s.recv_reduce(before, other, side::left, held);
    const chunk written = other;
    other = held;
    held = written;
  }
  return held;
}

/// The vector at most ⌈log2 p⌉ times from each rank, in as many hops. Keeps the
/// order of operands. (Hillis and Steele, Data parallel algorithms, 1986.)
constexpr schedule doubling_scan(const team& all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  const chunk held = fold_from_before(s, all, me, 0, {0}, {1});
  if (held != chunk{0}) s.copy(held, chunk{0});
  return s;
}

/// Operands move one rank on, and are folded there as above: once more from each
/// rank, in one hop more at most. Keeps the order of operands.
constexpr schedule doubling_exclusive_scan(const team& all, rank me) {
  schedule s{.parts = 1, .scratch = 1};
  if (me.value + 1 < all.size) s.send({me.value + 1}, chunk{0});
  if (me.value == 0) return s;
  s.recv({me.value - 1}, chunk{1});
  const chunk held = fold_from_before(s, all, me, 1, {1}, {0});
  if (held != chunk{0}) s.copy(held, chunk{0});
  return s;
}

/// Every round doubles what a rank has: from the rank 2^k after it comes all
/// that one has, up to the whole circle. Sends (p−1)/p of the vector from each
/// rank, in ⌈log2 p⌉ rounds, for any p.
/// (Bruck, Ho, Kipnis, Upfal and Weathersby, 1997, without its rotation.)
constexpr schedule doubling_all_gather(const team& all, rank me) {
  schedule s{.parts = all.size};
  for (int have = 1; have < all.size; have *= 2) {
    const int news = have < all.size - have ? have : all.size - have;
    send(s, all.previous(me, have), cyclic(s.parts, all.chunk_of(me), news));
    recv(s, all.next(me, have), cyclic(s.parts, all.chunk_of(me, have), news));
  }
  return s;
}

}  // namespace tutti
