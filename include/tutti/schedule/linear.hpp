#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// Everyone sends its block straight to the root: the fewest bytes, one hop, but
/// p−1 messages for the root.
constexpr schedule linear_gather(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  if (me != root) s.send(root, chunk{me.value});
  for (int hop = 1; me == root && hop < all.size; ++hop) s.recv(all.next(root, hop), all.chunk_of(root, hop));
  return s;
}

/// The root sends everyone its block: the same way back.
constexpr schedule linear_scatter(team all, rank me, rank root) {
  schedule s{.parts = all.size};
  if (me != root) s.recv(root, chunk{me.value});
  for (int hop = 1; me == root && hop < all.size; ++hop) s.send(all.next(root, hop), all.chunk_of(root, hop));
  return s;
}

}  // namespace tutti
