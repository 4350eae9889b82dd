#pragma once
#include <tutti/schedule/doubling.hpp>

namespace tutti {

/// Pairs at distance 1, 2, 4, … split what they have in common: each folds one
/// half, and the halves come back in the opposite order. 2 (q−1)/q of the
/// vector from each of q players, the largest power of two of ranks, in
/// 2 log2 q rounds; where others watch, their neighbours send and receive the
/// vector once more. Near pairs come first, so that the order of operands is kept.
/// (Rabenseifner, Optimization of collective reduction operations, 2004.)
constexpr schedule rabenseifner_all_reduce(const team& all, rank me) {
  const power_of_two_players game(all);
  schedule s{.parts = game.players};
  const chunks whole{{0}, s.parts};
  const rank neighbour = {me.value ^ 1};
  if (game.watches(me)) {
    s.send(neighbour, whole);
    s.recv(neighbour, whole);
    return s;
  }
  if (game.plays_for_two(me)) s.recv_reduce(neighbour, whole, side::left);

  int first = 0;  // of the chunks that are mine to fold
  for (int distance = 1, count = s.parts / 2; distance < game.players; distance *= 2, count /= 2) {
    const rank peer = game.rank_of(game.player(me) ^ distance);
    const bool lower = me < peer;
    const chunks kept{{lower ? first : first + count}, count}, given{{lower ? first + count : first}, count};
    s.send(peer, given);
    s.recv_reduce(peer, kept, lower ? side::right : side::left);
    first = kept.first.value;
  }
  for (int distance = game.players / 2, have = 1; distance > 0; distance /= 2, have *= 2) {
    const rank peer = game.rank_of(game.player(me) ^ distance);
    const int others = me < peer ? first + have : first - have;
    s.send(peer, chunks{{first}, have});
    s.recv(peer, chunks{{others}, have});
    first = first < others ? first : others;
  }
  if (game.plays_for_two(me)) s.send(neighbour, whole);
  return s;
}

}  // namespace tutti
