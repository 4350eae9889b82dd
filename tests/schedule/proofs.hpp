#pragma once
// What every schedule is asked: proofs in the compiler and at run time, and the
// bytes it sends.
#include <cstddef>
#include <utility>

#include <doctest/doctest.h>

#include <tutti/analysis/verify.hpp>
#include <tutti/schedule/repertoire.hpp>
#include <tutti/schedule/chunking.hpp>

namespace proofs {

using namespace tutti;

template <collective What, algorithm How, int Size, int Root>
inline constexpr bool proved =
    verify(What, {Size}, {Root}, keeps_order(What, How, {Size}) ? order::kept : order::any,
           find_entry(What, How)->make).ok;

template <collective What, algorithm How, int Size, int... Roots>
constexpr bool proved_for_roots(std::integer_sequence<int, Roots...>) {
  return (proved<What, How, Size, Roots> && ...);
}

template <collective What, algorithm How, int... SizesLess1>
constexpr bool proved_for_sizes(std::integer_sequence<int, SizesLess1...>) {
  return (proved_for_roots<What, How, SizesLess1 + 1>(
              std::make_integer_sequence<int, rooted(What) ? SizesLess1 + 1 : 1>{}) &&
          ...);
}

/// By the compiler, each team size and root in a constant evaluation of its own.
template <collective What, algorithm How>
inline constexpr bool proved_up_to_8 = proved_for_sizes<What, How>(std::make_integer_sequence<int, 8>{});

/// At run time for 1 to 33 ranks, or up to `all`, and a few larger teams; of larger
/// teams some roots. An algorithm keeps the order of operands exactly where its
/// table entry says so.
inline void prove_at_run_time(collective what, algorithm how, int all = 33) {
  for (int p = 1; p <= 257; p += p < all ? 1 : 56) {
    bool kept = true;
    for (int root = 0; root < (rooted(what) ? p : 1); root += p <= 9 ? 1 : p <= 33 ? 4 : 63) {
      CAPTURE(p);
      CAPTURE(root);
      const auto make = find_entry(what, how)->make;
      const proof any = verify(what, {p}, {root}, order::any, make);
      CHECK_MESSAGE(any.ok, explain(any));
      if (reduces(what) && !verify(what, {p}, {root}, order::kept, make).ok) kept = false;
    }
    CHECK(kept == keeps_order(what, how, {p}));
  }
}

/// Elements that one rank sends of a vector of `count`.
inline std::size_t sent(const schedule& s, std::size_t count) {
  const chunking cut{.count = count, .parts = s.parts};
  std::size_t total = 0;
  for (const step& each : s.steps)
    if (each.what == verb::send) total += cut.size(chunks{{each.where.first.value % s.parts}, each.where.count});
  return total;
}

/// ⌈log2 n⌉, counted.
constexpr int rounds_for(int n) {
  int rounds = 0;
  for (int reach = 1; reach < n; reach *= 2) ++rounds;
  return rounds;
}

}  // namespace proofs
