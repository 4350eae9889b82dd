#pragma once
// The calls whose blocks differ in length, on every link: checked exactly, with
// counts from a seed. `check_all` throws a std::logic_error that names the first
// wrong answer, with the seed.
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include <tutti/base/numbers.hpp>
#include <tutti/comm/uneven.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace uneven_cases {

using namespace tutti;
using counts_of = std::vector<std::size_t>;

inline std::uint64_t seed() {
  const char* given = std::getenv("TUTTI_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 20261121;
}

inline void need(bool right, const std::string& what, const communicator& c, std::uint64_t from) {
  if (!right)
    throw std::logic_error(format("wrong: %s, rank %d of %d, seed %llu", what.c_str(), c.rank(), c.size(), static_cast<unsigned long long>(from)));
}

/// The same on every rank.
struct drawing {
  std::uint64_t state;
  std::uint64_t operator()(std::uint64_t n) {
    state = detail::mix(state + 0x9e3779b97f4a7c15u, n);
    return state % n;
  }
};

/// A count for each rank: none at all, all in one rank, or any, some of them 0.
inline counts_of draw_counts(drawing& draw, int ranks, std::size_t most) {
  counts_of counts;
  const std::uint64_t how = draw(5), one = draw(static_cast<std::uint64_t>(ranks));
  for (int r = 0; r < ranks; ++r) {
    const std::size_t drawn = draw(most + 1);
    const bool none = how == 0 || (how == 1 && static_cast<std::uint64_t>(r) != one) || (how == 2 && draw(2) == 0);
    counts.push_back(none ? 0 : drawn);
  }
  return counts;
}

inline std::size_t sum(const counts_of& counts, std::size_t first) {
  return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(first), std::size_t{0});
}

/// Element i of what rank `from` has for rank `to`.
template <class T>
T value(int from, std::size_t i, int to = 0) {
  return static_cast<T>(static_cast<float>((static_cast<std::size_t>(from) * 7 + i * 3 + static_cast<std::size_t>(to) * 5) % 23));
}

template <class T>
std::vector<T> operands(int rank, std::size_t n) {
  std::vector<T> v;
  for (std::size_t i = 0; i < n; ++i) v.push_back(value<T>(rank, i));
  return v;
}

/// What differs between calls of one kind: how, and whether under way first.
struct manner {
  call_options how{};
  bool async = false;
  std::string name;
  std::uint64_t from = 0;
};

template <class Blocking, class Async>
void call(const manner& m, const Blocking& blocking, const Async& async) {
  if (m.async) async().wait();
  else blocking();
}

template <class T>
void check_all_gather_v(communicator& c, const counts_of& counts, const manner& m) {
  const auto me = static_cast<std::size_t>(c.rank()), p = counts.size(), total = sum(counts, p), mine = counts[me];
  std::vector<T> in = operands<T>(c.rank(), mine), out(total, T(99)), want;
  for (std::size_t r = 0; r < p; ++r)
    for (T v : operands<T>(static_cast<int>(r), counts[r])) want.push_back(v);
  call(m, [&] { all_gather_v(c, in, out, counts, m.how); }, [&] { return all_gather_v_async(c, in, out, counts, m.how); });
  need(out == want && in == operands<T>(c.rank(), mine), m.name, c, m.from);
  const span<T> own = span<T>(out).subspan(sum(counts, me), mine);
  out.assign(total, T(99));
  std::copy(in.begin(), in.end(), own.begin());
  call(m, [&] { all_gather_v(c, own, out, counts, m.how); }, [&] { return all_gather_v_async(c, own, out, counts, m.how); });
  need(out == want, m.name + ", in place", c, m.from);
}

template <class T>
void check_reduce_scatter_v(communicator& c, const counts_of& counts, const manner& m) {
  const auto me = static_cast<std::size_t>(c.rank()), p = counts.size(), total = sum(counts, p), before = sum(counts, me);
  std::vector<T> in = operands<T>(c.rank(), total), out(counts[me], T(99)), want;
  for (std::size_t i = 0; i < counts[me]; ++i) {
    T folded{};
    for (int r = 0; r < c.size(); ++r) folded = static_cast<T>(folded + value<T>(r, before + i));
    want.push_back(folded);
  }
  call(m, [&] { reduce_scatter_v(c, in, out, counts, plus{}, m.how); }, [&] { return reduce_scatter_v_async(c, in, out, counts, plus{}, m.how); });
  need(out == want && in == operands<T>(c.rank(), total), m.name, c, m.from);
  const span<T> own = span<T>(in).subspan(before, counts[me]);
  call(m, [&] { reduce_scatter_v(c, in, own, counts, plus{}, m.how); }, [&] { return reduce_scatter_v_async(c, in, own, counts, plus{}, m.how); });
  need(std::equal(own.begin(), own.end(), want.begin()), m.name + ", in place", c, m.from);
}

template <class T>
void check_gather_v(communicator& c, const counts_of& counts, int root, const manner& m) {
  const auto me = static_cast<std::size_t>(c.rank()), p = counts.size(), total = sum(counts, p), mine = counts[me];
  const bool here = c.rank() == root;
  const std::vector<T> in = operands<T>(c.rank(), mine);
  std::vector<T> out(here ? total : 3, T(99)), want;
  for (std::size_t r = 0; here && r < p; ++r)
    for (T v : operands<T>(static_cast<int>(r), counts[r])) want.push_back(v);
  if (!here) want = out;
  const counts_of told = here ? counts : counts_of{};  // elsewhere nobody knows more than its own
  call(m, [&] { gather_v(c, in, out, told, root, m.how); }, [&] { return gather_v_async(c, in, out, told, root, m.how); });
  need(out == want && in == operands<T>(c.rank(), mine), m.name, c, m.from);
  std::vector<T> both = here ? std::vector<T>(total, T(99)) : in;
  const span<T> own = span<T>(both).subspan(here ? sum(counts, me) : 0, mine);
  std::copy(in.begin(), in.end(), own.begin());
  call(m, [&] { gather_v(c, own, both, told, root, m.how); }, [&] { return gather_v_async(c, own, both, told, root, m.how); });
  need(both == (here ? want : in), m.name + ", in place", c, m.from);
}

template <class T>
void check_scatter_v(communicator& c, const counts_of& counts, int root, const manner& m) {
  const auto me = static_cast<std::size_t>(c.rank()), total = sum(counts, counts.size()), mine = counts[me], before = sum(counts, me);
  const bool here = c.rank() == root;
  std::vector<T> in = operands<T>(c.rank(), here ? total : 2), out(mine, T(99)), want;
  for (std::size_t i = 0; i < mine; ++i) want.push_back(value<T>(root, before + i));
  const counts_of told = here ? counts : counts_of{};
  call(m, [&] { scatter_v(c, in, out, told, root, m.how); }, [&] { return scatter_v_async(c, in, out, told, root, m.how); });
  need(out == want && in == operands<T>(c.rank(), in.size()), m.name, c, m.from);
  const span<T> own = here ? span<T>(in).subspan(before, mine) : span<T>(out);
  out.assign(mine, T(99));
  call(m, [&] { scatter_v(c, in, own, told, root, m.how); }, [&] { return scatter_v_async(c, in, own, told, root, m.how); });
  need(std::equal(own.begin(), own.end(), want.begin()) && in == operands<T>(c.rank(), in.size()), m.name + ", in place", c, m.from);
}

template <class T>
void check_all_to_all_v(communicator& c, const std::vector<counts_of>& table, const manner& m) {
  const auto me = static_cast<std::size_t>(c.rank()), p = table.size();
  const counts_of& counts = table[me];
  counts_of received;
  for (const counts_of& theirs : table) received.push_back(theirs[me]);
  std::vector<T> in, out(sum(received, p), T(99)), want;
  for (std::size_t d = 0; d < p; ++d)
    for (std::size_t i = 0; i < counts[d]; ++i) in.push_back(value<T>(c.rank(), i, static_cast<int>(d)));
  for (std::size_t s = 0; s < p; ++s)
    for (std::size_t i = 0; i < received[s]; ++i) want.push_back(value<T>(static_cast<int>(s), i, c.rank()));
  const std::vector<T> input = in;
  call(m, [&] { all_to_all_v(c, in, counts, out, received, m.how); }, [&] { return all_to_all_v_async(c, in, counts, out, received, m.how); });
  need(out == want && in == input, m.name, c, m.from);
  // Each rank as it likes: in place or not is nobody else's business.
  std::vector<T> both = input;
  both.resize(std::max(in.size(), out.size()), T(99));
  const span<T> first = span<T>(both).subspan(0, in.size()), then = c.rank() % 2 ? span<T>(out) : span<T>(both).subspan(0, out.size());
  out.assign(out.size(), T(99));
  call(m, [&] { all_to_all_v(c, first, counts, then, received, m.how); }, [&] { return all_to_all_v_async(c, first, counts, then, received, m.how); });
  need(std::equal(want.begin(), want.end(), then.begin()), m.name + ", in place on every second rank", c, m.from);
  bool symmetric = true;  // to every rank as many as from it
  for (std::size_t s = 0; s < p; ++s)
    for (std::size_t d = 0; d < s; ++d) symmetric &= table[s][d] == table[d][s];
  if (symmetric) {
    both = input;
    call(m, [&] { all_to_all_v(c, both, counts, m.how); }, [&] { return all_to_all_v_async(c, both, counts, m.how); });
    need(both == want, m.name + ", in place by one list of counts", c, m.from);
  }
}

/// Every algorithm that serves it, at drawn counts; T holds small sums exactly.
template <class T>
void check_drawn(communicator& c, drawing draw, std::size_t most) {
  const std::uint64_t from = draw.state;
  const int p = c.size(), root = static_cast<int>(draw(static_cast<std::uint64_t>(p)));
  const bool async = draw(2) == 0;
  const counts_of counts = draw_counts(draw, p, most);
  std::vector<counts_of> table;
  for (int s = 0; s < p; ++s) table.push_back(draw_counts(draw, p, most / static_cast<std::size_t>(p) + 1));
  if (draw(3) == 0)
    for (std::size_t s = 0; s < table.size(); ++s)
      for (std::size_t d = 0; d < s; ++d) table[s][d] = table[d][s];
  for (const repertoire_entry& e : repertoire) {
    if (!e.uneven) continue;
    const manner m{{.algorithm = e.how}, async, std::string(name_of(e.what)) + "_v by " + name_of(e.how), from};
    switch (e.what) {
      case collective::all_gather: check_all_gather_v<T>(c, counts, m); break;
      case collective::reduce_scatter: check_reduce_scatter_v<T>(c, counts, m); break;
      case collective::gather: check_gather_v<T>(c, counts, root, m); break;
      case collective::scatter: check_scatter_v<T>(c, counts, root, m); break;
      case collective::all_to_all: check_all_to_all_v<T>(c, table, m); break;
      default: need(false, "no case for " + m.name, c, from);
    }
  }
  const manner chosen{{}, !async, "as the plan chooses", from};
  check_all_gather_v<T>(c, counts, chosen);
  check_reduce_scatter_v<T>(c, counts, chosen);
  check_gather_v<T>(c, counts, root, chosen);
  check_scatter_v<T>(c, counts, root, chosen);
  check_all_to_all_v<T>(c, table, chosen);
}

/// Functors that are not commutative, that convert, and that divide.
inline void check_operations(communicator& c, drawing draw, std::size_t most) {
  const std::uint64_t from = draw.state;
  const counts_of counts = draw_counts(draw, c.size(), most);
  const auto me = static_cast<std::size_t>(c.rank()), total = sum(counts, counts.size()), before = sum(counts, me);
  // The later of two, where it is not 0: keeps its order, or shows that it did not.
  const auto later = [](int a, int b) { return b ? b : a; };
  std::vector<int> x(total), y(counts[me]);
  auto digit = [](int r, std::size_t i) { return (static_cast<std::size_t>(r) + i) % 3 ? r + 1 : 0; };
  for (std::size_t i = 0; i < total; ++i) x[i] = digit(c.rank(), i);
  reduce_scatter_v(c, x, y, counts, later);
  for (std::size_t i = 0; i < y.size(); ++i) {
    int want = 0;
    for (int r = 0; r < c.size(); ++r) want = later(want, digit(r, before + i));
    need(y[i] == want, "order kept", c, from);
  }
  const std::vector<half> in(total, half(static_cast<float>(c.rank() + 1)));
  std::vector<half> out(counts[me]);
  const float mean = static_cast<float>(c.size() + 1) / 2;
  reduce_scatter_v(c, in, out, counts, accumulate_in<float>(average{}));
  for (half v : out) need(v == half(mean), "an average, accumulated in float", c, from);
}

/// Buffers that neighbours read in place.
inline void check_lent(communicator& c, drawing draw, std::size_t most) {
  const std::uint64_t from = draw.state;
  const counts_of counts = draw_counts(draw, c.size(), most);
  const auto me = static_cast<std::size_t>(c.rank()), p = counts.size();
  buffer<std::int32_t> in(c, counts[me]), out(c, sum(counts, p));
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = value<std::int32_t>(c.rank(), i);
  for (int again = 0; again < 2; ++again) {
    all_gather_v(c, in, out, counts);
    for (std::size_t r = 0; r < p; ++r)
      for (std::size_t i = 0; i < counts[r]; ++i)
        need(out[sum(counts, r) + i] == value<std::int32_t>(static_cast<int>(r), i), "lent", c, from);
    for (std::int32_t& v : out) v = 99;
  }
}

inline void check_all(communicator& c) {
  drawing draw{seed()};
  for (std::size_t most : {1u, 3u, 40u, 40u, 3000u, 20000u}) {
    check_drawn<int>(c, {draw(1u << 30)}, most);
    check_drawn<std::uint8_t>(c, {draw(1u << 30)}, most);
    check_operations(c, {draw(1u << 30)}, most);
  }
  check_drawn<half>(c, {draw(1u << 30)}, 50);
  check_drawn<double>(c, {draw(1u << 30)}, 60000);
  check_lent(c, {draw(1u << 30)}, 70000);
}

}  // namespace uneven_cases
