#pragma once
// Reductions whose elements do not travel as they are given: exact expectations,
// on whatever link a communicator has. Throws std::logic_error.
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/base/accumulation.hpp>
#include <tutti/base/binned.hpp>
#include <tutti/base/names.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace conversions {

using namespace tutti;

inline void need(bool right, const std::string& what, std::size_t n, const communicator& c) {
  if (!right) throw std::logic_error(format("wrong: %s, count %zu, rank %d of %d", what.c_str(), n, c.rank(), c.size()));
}

/// The same reduction in every form, by every algorithm that `out` of every rank
/// must get `want(i)` from, where each rank gives `mine(rank, i)`.
template <class T, class Op, class Mine, class Want>
void check(communicator& c, std::size_t n, const Op& op, const std::string& text, Mine mine, Want want) {
  const auto wide = n * static_cast<std::size_t>(c.size());
  const auto block = n * static_cast<std::size_t>(c.rank());
  auto given = [&](std::size_t count) {
    std::vector<T> v(count);
    for (std::size_t i = 0; i < count; ++i) v[i] = mine(c.rank(), i);
    return v;
  };
  auto right = [&](const std::vector<T>& v, std::size_t from, std::size_t first) {
    bool all = true;
    for (std::size_t i = 0; i < n; ++i) all &= v[from + i] == want(first + i);
    return all;
  };
  const std::vector<T> untouched(n, T(99.0f)), narrow = given(n), broad = given(wide);
  for (const repertoire_entry& e : repertoire) {
    const call_options how{.algorithm = e.how};
    const std::string name = text + " " + name_of(e.what) + " by " + name_of(e.how);
    if (e.what == collective::all_reduce) {
      std::vector<T> in = narrow, out = untouched, later = untouched;
      all_reduce(c, in, out, op, how);
      need(right(out, 0, 0) && in == narrow, name, n, c);
      request r = [&] { return all_reduce_async(c, in, later, Op(op), how); }();
      r.wait();
      need(right(later, 0, 0) && in == narrow, name + ", async", n, c);
      all_reduce(c, in, op, how);
      need(right(in, 0, 0), name + ", in place", n, c);
    } else if (e.what == collective::reduce_scatter) {
      std::vector<T> in = broad, out = untouched;
      reduce_scatter(c, in, out, op, how);
      need(right(out, 0, block) && in == broad, name, n, c);
      reduce_scatter_async(c, in, span<T>(in).subspan(block, n), op, how).wait();
      need(right(in, block, block), name + ", in place", n, c);
    } else if (e.what == collective::reduce) {
      for (int root = 0; root < c.size(); root += 1 + c.size() / 3) {
        std::vector<T> in = narrow, out = untouched;
        reduce(c, in, out, op, root, how);
        need((c.rank() == root ? right(out, 0, 0) : out == untouched) && in == narrow, name, n, c);
        reduce_async(c, in, op, root, how).wait();
        need(c.rank() == root ? right(in, 0, 0) : in == narrow, name + ", in place", n, c);
      }
    }
  }
}

/// What the schedules of all ranks, carried out here, leave with each, where what
/// is sent or left is rounded to Narrow and all else kept as Wide: by rank, its
/// output. `given(r)` is what rank r holds.
template <class Narrow, class Wide, class Given>
std::vector<std::vector<Wide>> carried_out(const call_shape& c, const team& all, Given given) {
  const auto p = static_cast<std::size_t>(all.size);
  using values = std::vector<Wide>;
  struct one_rank {
    schedule s;
    std::vector<std::size_t> bounds;
    std::vector<values> chunks;
    std::vector<char> done;
  };
  auto rounded = [](values& v) -> values& {
    for (Wide& x : v) x = static_cast<Wide>(Narrow(x));
    return v;
  };
  auto at = [](int i) { return static_cast<std::size_t>(i); };
  std::vector<one_rank> team(p);
  std::vector<std::vector<values>> between(p * p);  // sent and not received
  std::size_t left = 0;
  for (std::size_t r = 0; r < p; ++r) {
    one_rank& one = team[r];
    const rank me{static_cast<int>(r)};
    one.s = make_schedule(c.what, c.algorithm, all, me, {c.root < 0 ? 0 : c.root});
    one.bounds = detail::chunk_bounds(c, all, me, one.s.parts);
    values mine = given(me.value);
    rounded(mine);
    for (std::size_t k = 0; k + 1 < one.bounds.size(); ++k)
      one.chunks.emplace_back(mine.begin() + static_cast<std::ptrdiff_t>(one.bounds[k]), mine.begin() + static_cast<std::ptrdiff_t>(one.bounds[k + 1]));
    one.chunks.resize(at(one.s.parts + one.s.scratch));
    one.done.resize(one.s.steps.size());
    left += one.done.size();
  }
  auto share = [](chunks a, chunks b) { return a.first.value < b.first.value + b.count && b.first.value < a.first.value + a.count; };
  auto after = [&](const step& s, const step& earlier) {  // has to wait for it
    if (!is_local(s.what) && !is_local(earlier.what) && s.peer == earlier.peer && (s.what == verb::send) == (earlier.what == verb::send)) return true;
    const bool writes = s.what != verb::send, wrote = earlier.what != verb::send;
    return ((writes || wrote) && share(s.where, earlier.where)) || (wrote && has_operand(s.what) && share(s.with, earlier.where)) ||
           (writes && has_operand(earlier.what) && share(s.where, earlier.with));
  };
  while (left > 0) {
    const std::size_t before = left;
    for (std::size_t r = 0; r < p; ++r)
      for (std::size_t i = 0; i < team[r].done.size(); ++i) {
        one_rank& one = team[r];
        const step& s = one.s.steps[i];
        bool waits = one.done[i] != 0;
        for (std::size_t e = 0; e < i; ++e) waits |= !one.done[e] && after(s, one.s.steps[e]);
        if (waits) continue;
        std::vector<values>* queue = is_local(s.what) ? nullptr : s.what == verb::send ? &between[r * p + at(s.peer.value)] : &between[at(s.peer.value) * p + r];
        if (queue && s.what != verb::send && queue->size() < at(s.where.count)) continue;
        for (int k = 0; k < s.where.count; ++k) {
          values& where = one.chunks[at(s.where.first.value + k)];
          if (s.what == verb::send) {
            queue->push_back(rounded(where));
            continue;
          }
          if (s.what == verb::copy) {
            where = rounded(one.chunks[at(s.with.first.value + k)]);
            continue;
          }
          values other = s.what == verb::fold ? one.chunks[at(s.with.first.value + k)] : queue->front();
          if (queue) queue->erase(queue->begin());
          if (s.what == verb::recv) {
            where = other;
            continue;
          }
          const values own = s.what == verb::fold ? where : one.chunks[at(s.with.first.value + k)];
          where.resize(own.size());
          for (std::size_t j = 0; j < own.size(); ++j) where[j] = s.incoming == side::left ? other[j] + own[j] : own[j] + other[j];
        }
        one.done[i] = 1;
        --left;
      }
    if (left == before) throw std::logic_error("wrong: the schedules stand still");
  }
  std::vector<std::vector<Wide>> results(p);
  for (std::size_t r = 0; r < p; ++r) {
    const contract agreed{.what = c.what, .all = all, .root = {c.root < 0 ? 0 : c.root}, .parts = team[r].s.parts};
    for (int k = 0; k < team[r].s.parts; ++k)
      if (agreed.holds_after({static_cast<int>(r)}, {k}))
        for (Wide x : rounded(team[r].chunks[at(k)])) results[r].push_back(x);
  }
  return results;
}

/// Scans in every form, by every algorithm: bit for bit what the folds and roundings
/// of their schedules give here, of numbers that are rounded at every turn.
template <class T, class Op>
void check_scans(communicator& c, std::size_t n, const Op& op, const std::string& text) {
  using other = typename detail::travel<T, Op>::type;
  using sum = typename detail::travel<T, Op>::sum;
  auto drawn = [n](int rank) {
    std::vector<T> v(n);
    for (std::size_t i = 0; i < n; ++i) v[i] = T(static_cast<float>(detail::mix(static_cast<std::uint64_t>(rank) + 3, i) >> 44) / 370.f - 900.f);
    return v;
  };
  auto same = [](const std::vector<T>& a, const std::vector<T>& b) { return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0; };
  const std::vector<T> mine = drawn(c.rank()), untouched(n, T(99.0f));
  for (const repertoire_entry& e : repertoire) {
    if (e.what != collective::scan && e.what != collective::exclusive_scan) continue;
    const bool inclusive = e.what == collective::scan, gets = inclusive || c.rank() > 0;
    const call_options how{.algorithm = e.how};
    const std::string name = text + " " + name_of(e.what) + " by " + name_of(e.how);
    const call_shape shape{.what = e.what, .count = n, .element = sizeof(other), .algorithm = e.how};
    const auto all = carried_out<other, sum>(shape, c.all(), [&](int rank) {
      std::vector<sum> v;
      for (T x : drawn(rank)) v.push_back(detail::converted<sum>(x));
      return v;
    });
    std::vector<T> want;
    for (sum x : all[static_cast<std::size_t>(c.rank())]) want.push_back(detail::converted<T>(x));

    std::vector<T> in = mine, out = untouched, later = untouched;
    const statistics before = c.counters();
    inclusive ? scan(c, in, out, op, how) : exclusive_scan(c, in, out, op, how);
    need(c.counters().since(before).sent().bytes == c.plan_for(shape).bytes_sent, name + ", bytes", n, c);
    need(same(out, gets ? want : untouched) && same(in, mine), name, n, c);
    request r = [&] { return inclusive ? scan_async(c, in, later, Op(op), how) : exclusive_scan_async(c, in, later, Op(op), how); }();
    r.wait();
    need(same(later, gets ? want : untouched) && same(in, mine), name + ", async", n, c);
    inclusive ? scan(c, in, op, how) : exclusive_scan(c, in, op, how);
    need(same(in, gets ? want : mine), name + ", in place", n, c);
  }
}

/// Floats that no Narrow holds, sent as such and added up in float, by every
/// algorithm: the roundings that the schedule says and no others, within the bound
/// that follows from them, for as many bytes less.
template <class Narrow = bfloat16>
void check_sent_apart(communicator& c, std::size_t n) {
  const auto p = static_cast<std::size_t>(c.size()), me = static_cast<std::size_t>(c.rank());
  const auto op = send_as<Narrow>(accumulate_in<float>(plus{}));
  auto drawn = [](int rank, std::size_t i) {
    const std::uint64_t bits = detail::mix(static_cast<std::uint64_t>(rank) + 1, i) >> 40;
    return static_cast<float>(static_cast<int>(bits % 20001) - 10000) / 37.f;
  };
  auto given = [&](std::size_t count) {
    return [count, drawn](int rank) {
      std::vector<float> v(count);
      for (std::size_t i = 0; i < count; ++i) v[i] = drawn(rank, i);
      return v;
    };
  };
  for (const repertoire_entry& e : repertoire) {
    if (e.what != collective::all_reduce && e.what != collective::reduce_scatter && e.what != collective::reduce) continue;
    const bool cuts = e.what == collective::reduce_scatter;
    const int root = e.what == collective::reduce ? c.size() - 1 : -1;
    const call_options how{.algorithm = e.how};
    const std::string name = "floats sent as " + std::string(type_name<Narrow>) + " and added up in float: " + name_of(e.what) + " by " + name_of(e.how);
    std::vector<float> in = given(cuts ? n * p : n)(c.rank()), out(n);
    auto call = [&](const auto& by) {
      const statistics before = c.counters();
      if (cuts) reduce_scatter(c, in, out, by, how);
      else if (root >= 0) reduce(c, in, out, by, root, how);
      else all_reduce(c, in, out, by, how);
      return c.counters().since(before).sent().bytes;
    };
    const std::uint64_t whole = call(plus{}), sent = call(op);
    if (n % (p * 64) == 0) need(sizeof(float) / sizeof(Narrow) * sent == whole, name + ", bytes", n, c);
    const call_shape shape{.what = e.what, .count = n, .element = sizeof(Narrow), .root = root, .algorithm = e.how};
    need(sent == c.plan_for(shape).bytes_sent, name + ", bytes billed", n, c);
    const auto all = carried_out<Narrow, float>(shape, c.all(), given(in.size()));
    if (root < 0 || c.rank() == root) need(out == all[me], name, n, c);
    if (e.what == collective::all_reduce) need(all[0] == all[me], name + ", the same on all", n, c);
    // Each element is rounded by half of Narrow's unit at most, and every sum that holds it.
    constexpr double unit = static_cast<double>(static_cast<float>(std::numeric_limits<Narrow>::epsilon()));
    double factor = 1;
    for (std::size_t r = 0; r < p; ++r) factor *= (1 + unit / 2) * (1 + 0x1p-23);
    for (std::size_t i = 0; i < all[me].size(); ++i) {
      double exact = 0, sizes = 0;
      for (int r = 0; r < c.size(); ++r) {
        const double x = drawn(r, (cuts ? me * n : 0) + i);
        exact += x, sizes += x < 0 ? -x : x;
      }
      const double off = exact - static_cast<double>(out[i]);
      need((off < 0 ? -off : off) <= (factor - 1) * sizes, name + ", the bound", n, c);
    }
  }
}

struct weighted_sum {
  static constexpr bool commutative = true;
  std::int64_t weight;
  std::int64_t operator()(std::int64_t a, std::int64_t b) const { return weight * a + weight * b; }
};

inline void check_all(communicator& c, std::size_t n) {
  const int p = c.size();
  auto small = [](int rank, std::size_t i) { return static_cast<float>((static_cast<std::size_t>(rank) * 7 + i * 3) % 23); };
  auto total = [&](std::size_t i) {
    float sum = 0;
    for (int r = 0; r < p; ++r) sum += small(r, i);
    return sum;
  };
  const auto parts = static_cast<float>(p);
  check<float>(c, n, average{}, "average", small, [&](std::size_t i) { return total(i) / parts; });
  check<double>(c, n, average{}, "average of double", [&](int r, std::size_t i) { return static_cast<double>(small(r, i)); },
                [&](std::size_t i) { return static_cast<double>(total(i)) / p; });

  // Ones that half forgets beside 2048, and a sum that leaves its range on the way.
  auto beside_2048 = [](int rank, std::size_t) { return half(rank == 0 ? 2048.f : 1.f); };
  check<half>(c, n, accumulate_in<float>(plus{}), "half in float", beside_2048,
              [&](std::size_t) { return half(2048.f + parts - 1); });
  auto towers = [&](int rank, std::size_t) { return half(p % 2 && rank == p - 1 ? 7.f : rank < p / 2 ? 60000.f : -60000.f); };
  check<half>(c, n, accumulate_in<float>(plus{}), "half in float, beyond half", towers,
              [&](std::size_t) { return half(p % 2 ? 7.f : 0.f); });
  check<bfloat16>(c, n, accumulate_in<double>(average{}), "average of bfloat16 in double",
                  [](int rank, std::size_t) { return bfloat16(rank == 0 ? 256.f : 1.f); },
                  [&](std::size_t) { return bfloat16((256.f + parts - 1) / parts); });
  check<int>(c, n, accumulate_in<std::int64_t>(weighted_sum{1}), "an operation with a state",
             [](int rank, std::size_t i) { return rank + static_cast<int>(i); },
             [&](std::size_t i) { return p * (p - 1) / 2 + p * static_cast<int>(i); });
  // An element of 56 bytes, which messages cut anywhere.
  check<float>(c, n, accumulate_in<binned<float>>(plus{}), "float in bins",
               [&](int rank, std::size_t) { return rank == 0 ? 0x1p60f : rank == p - 1 ? -0x1p60f : 1.f; },
               [&](std::size_t) { return p == 1 ? 0x1p60f : parts - 2; });

  // 1 + 2^-8 lies between two bfloat16s and becomes the even one, 1.
  auto between = [](int, std::size_t) { return 1.f + 0x1p-8f; };
  check<float>(c, n, send_as<bfloat16>(plus{}), "float as bfloat16", between, [&](std::size_t) { return parts; });
  check<float>(c, n, send_as<half>(maximum{}), "float as half", [](int rank, std::size_t i) { return static_cast<float>(rank + static_cast<int>(i % 7)) + 0x1p-20f; },
               [&](std::size_t i) { return static_cast<float>(p - 1 + static_cast<int>(i % 7)) + (p == 1 && i % 7 == 0 ? 0x1p-20f : 0.f); });
  check<float>(c, n, send_as<bfloat16>(average{}), "average of floats as bfloat16", between, [](std::size_t) { return 1.f; });

  // What travels and what is accumulated chosen apart: numbers that each holds.
  check<float>(c, n, send_as<bfloat16>(accumulate_in<float>()), "float as bfloat16 in float", small, total);
  check<half>(c, n, send_as<half>(accumulate_in<float>(average{})), "average of half as half in float", [](int, std::size_t i) { return half(static_cast<float>(i % 200)); },
              [](std::size_t i) { return half(static_cast<float>(i % 200)); });
  check_sent_apart(c, n);

  check_scans<half>(c, n, accumulate_in<float>(plus{}), "half in float");
  check_scans<bfloat16>(c, n, accumulate_in<float>(plus{}), "bfloat16 in float");
  check_scans<float>(c, n, send_as<bfloat16>(plus{}), "float as bfloat16");
  check_scans<float>(c, n, send_as<bfloat16>(accumulate_in<float>(plus{})), "float as bfloat16 in float");
}

}  // namespace conversions
