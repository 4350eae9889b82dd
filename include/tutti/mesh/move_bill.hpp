#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/bill.hpp>

namespace tutti {

/// What a rank sends in moves one after the other, and the memory that they take.
struct move_bill {
  std::vector<traffic> moves{};  ///< what is sent in each
  std::size_t memory = 0;        ///< bytes at the peak: the parts before and after, and what is packed or lies between moves

  constexpr traffic sent() const {
    traffic all;
    for (const traffic& one : moves) all += one;
    return all;
  }
};

/// The bill of rank `me` for the moves of a tensor that lies at `from`, as
/// `plan_moves` finds them and `resharding` makes them. `element` is in bytes, `choose`
/// as for the bill of a network.
template <class Choose>
constexpr move_bill bill(const std::vector<move>& moves, const shape& whole, const placement& from, const mesh& on, rank me, std::size_t element,
                         Choose choose) {
  move_bill all;
  placement at = from;
  for (const move& m : moves) {
    all.moves.push_back(sends_of(m, whole, at, on, me, element, choose));
    at = after(at, m);
  }
  all.memory = element * (block_of(whole, from, on, me).elements() + block_of(whole, at, on, me).elements() +
                          detail::packed_by(moves, whole, from, on, me));
  return all;
}

}  // namespace tutti
