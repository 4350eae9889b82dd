#pragma once
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/move.hpp>

#include "../kernel/modular.hpp"

// All ranks of a mesh in one thread: what moves mean, without a collective.

/// A tensor as every rank of a mesh holds it.
struct world_tensor {
  tutti::shape whole{};
  tutti::placement at{};
  std::vector<std::vector<modular>> ranks{};

  tutti::block held(const tutti::mesh& on, int r) const { return tutti::block_of(whole, at, on, {r}); }
};

/// A tensor of these values. Where it is a sum, the summands are random and add up to them.
inline world_tensor spread(const tutti::shape& whole, const tutti::placement& at, const tutti::mesh& on,
                           const std::vector<modular>& values, std::uint64_t seed) {
  world_tensor t{whole, at, {}};
  const tutti::block all(whole);
  std::vector<modular> first = values;  // what is left for the first rank of the sum
  auto mask = [&](int r) {
    std::uint64_t number = 0;
    for (int axis = 0; axis < on.axes(); ++axis)
      if (at.partial_on(axis)) number = number * 64 + static_cast<std::uint64_t>(on.coordinate({r}, axis));
    return number;
  };
  std::vector<std::uint64_t> counted;
  std::vector<std::vector<modular>> of(static_cast<std::size_t>(on.size()));
  for (int r = 0; r < on.size(); ++r) {
    const std::uint64_t number = mask(r);
    if (number == 0) continue;
    const tutti::random_stream random{.seed = seed, .purpose = number};
    auto& summand = of[static_cast<std::size_t>(r)];
    for (std::size_t i = 0; i < values.size(); ++i) summand.emplace_back(random.at(i));
    bool known = false;
    for (std::uint64_t other : counted) known |= other == number;
    if (known) continue;
    counted.push_back(number);
    for (std::size_t i = 0; i < values.size(); ++i) first[i] = first[i] - summand[i];
  }
  for (int r = 0; r < on.size(); ++r) {
    const tutti::block mine = t.held(on, r);
    std::vector<modular> part(mine.elements());
    const auto& from = mask(r) == 0 ? first : of[static_cast<std::size_t>(r)];
    tutti::copy_block(mine, all, from.data(), mine, part.data());
    t.ranks.push_back(part);
  }
  return t;
}

/// What the ranks hold together, if those that should hold the same do: else nothing.
inline std::vector<modular> collect(const world_tensor& t, const tutti::mesh& on) {
  const tutti::block all(t.whole);
  // The sum over partial axes as each group of ranks that differ along them has it.
  std::vector<modular> values(all.elements());
  std::vector<bool> seen(all.elements());
  for (int r = 0; r < on.size(); ++r) {
    const tutti::block mine = t.held(on, r);
    std::vector<modular> sum(mine.elements());
    for (int other = 0; other < on.size(); ++other) {
      bool adds = true;
      for (int axis = 0; axis < on.axes(); ++axis)
        adds &= t.at.partial_on(axis) || on.coordinate({r}, axis) == on.coordinate({other}, axis);
      if (adds)
        for (std::size_t i = 0; i < sum.size(); ++i) sum[i] = sum[i] + t.ranks[static_cast<std::size_t>(other)][i];
    }
    bool same = true;
    tutti::for_each_run(mine, mine, all, [&](std::size_t from, std::size_t into, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) {
        same &= !seen[into + i] || values[into + i] == sum[from + i];
        seen[into + i] = true;
        values[into + i] = sum[from + i];
      }
    });
    if (!same) return {};
  }
  for (bool each : seen)
    if (!each) return {};
  return values;
}

/// One move, as its definition says.
inline void apply(world_tensor& t, const tutti::move& m, const tutti::mesh& on) {
  world_tensor next{t.whole, tutti::after(t.at, m), {}};
  const bool sums = m.what == tutti::move_kind::all_reduce || m.what == tutti::move_kind::reduce_scatter;
  const bool takes = m.what == tutti::move_kind::all_gather || m.what == tutti::move_kind::all_to_all;
  for (int r = 0; r < on.size(); ++r) {
    const tutti::block mine = next.held(on, r);
    std::vector<modular> part(mine.elements());
    const int me = on.coordinate({r}, m.axis);
    for (int at = 0; at < on[m.axis].size; ++at) {
      if (!sums && !takes && at != me) continue;
      if (m.what == tutti::move_kind::keep_on_first && at != 0) continue;  // pad: what is common is all there is
      const int other = on.beside({r}, m.axis, at).value;
      const tutti::block theirs = t.held(on, other);
      tutti::for_each_run(tutti::common(theirs, mine), theirs, mine, [&](std::size_t from, std::size_t into, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) {
          const modular value = t.ranks[static_cast<std::size_t>(other)][from + i];
          part[into + i] = sums ? part[into + i] + value : value;
        }
      });
    }
    next.ranks.push_back(part);
  }
  t = next;
}
