#pragma once
// The same calls on every link: what a communicator must do, checked exactly.
// `check_all` throws a std::logic_error that names the first wrong answer.
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <tutti/base/numbers.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/schedule/repertoire.hpp>

#include "conversions.hpp"
#include "together_cases.hpp"
#include "uneven_cases.hpp"

namespace cases {

using namespace tutti;

/// Left-to-right string concatenation of single digits, as numbers below a
/// modulus: associative and not commutative.
struct affine {
  std::uint32_t a = 1, b = 0;
  friend bool operator==(affine, affine) = default;
};
struct compose {
  static constexpr std::uint64_t prime = 4294967291u;
  affine operator()(affine f, affine g) const {
    return {static_cast<std::uint32_t>(std::uint64_t{f.a} * g.a % prime),
            static_cast<std::uint32_t>((std::uint64_t{g.a} * f.b + g.b) % prime)};
  }
};
inline affine map_of(int rank, std::size_t i) {
  return {static_cast<std::uint32_t>(3 + 2 * rank), static_cast<std::uint32_t>(i * 31 + static_cast<std::size_t>(rank))};
}

struct bad : std::logic_error {
  using std::logic_error::logic_error;
};

inline void need(bool right, const std::string& what, std::size_t n, const communicator& c) {
  if (!right) throw bad(format("wrong: %s, count %zu, rank %d of %d", what.c_str(), n, c.rank(), c.size()));
}

/// Sums of them are exact in T on as many ranks as tests have.
template <class T>
T value(int rank, std::size_t i) {
  constexpr std::size_t some = std::is_same_v<T, fp8_e4m3> ? 3 : 23;
  return static_cast<T>(static_cast<float>((static_cast<std::size_t>(rank) * 7 + i * 5) % some));
}
template <class T>
T total(int ranks, std::size_t i) {
  T sum{};
  for (int r = 0; r < ranks; ++r) sum = static_cast<T>(sum + value<T>(r, i));
  return sum;
}

template <class T>
std::vector<T> operands(int rank, std::size_t n) {
  std::vector<T> v(n);
  for (std::size_t i = 0; i < n; ++i) v[i] = value<T>(rank, i);
  return v;
}

/// What the root has of all ranks: the blocks of each, in their order.
template <class T>
std::vector<T> gathered(int ranks, std::size_t n) {
  std::vector<T> all;
  for (int r = 0; r < ranks; ++r)
    for (T v : operands<T>(r, n)) all.push_back(v);
  return all;
}

template <class T>
void check_gather(communicator& c, std::size_t n, int root, const call_options& how, const std::string& name) {
  const int p = c.size(), me = c.rank();
  const std::size_t mine = n * static_cast<std::size_t>(me);
  const std::vector<T> in = operands<T>(me, n), want = gathered<T>(p, n), untouched(want.size(), T(99));
  std::vector<T> out = untouched;
  gather(c, in, out, root, how);
  need(in == operands<T>(me, n) && out == (me == root ? want : untouched), name, n, c);
  out = untouched;
  for (std::size_t i = 0; i < n; ++i) out[mine + i] = in[i];
  const std::vector<T> before = out;
  gather(c, span<T>(out).subspan(mine, n), out, root, how);  // in place at the root, and of any memory elsewhere
  need(out == (me == root ? want : before), name + ", in place", n, c);
  std::vector<T> nothing;
  gather(c, in, me == root ? out : nothing, root, how);
  need(me != root || out == want, name + ", nothing to write to but at the root", n, c);
}

template <class T>
void check_scatter(communicator& c, std::size_t n, int root, const call_options& how, const std::string& name) {
  const int p = c.size(), me = c.rank();
  const std::size_t wide = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  const std::vector<T> all = operands<T>(root, wide);
  const auto at = static_cast<std::ptrdiff_t>(mine), end = static_cast<std::ptrdiff_t>(mine + n);
  const std::vector<T> want(all.begin() + at, all.begin() + end);
  std::vector<T> in = operands<T>(me, wide), out(n, T(99)), nothing;
  scatter(c, in, out, root, how);
  need(in == operands<T>(me, wide) && out == want, name, n, c);
  out.assign(n, T(99));
  scatter(c, me == root ? in : nothing, out, root, how);
  need(out == want, name + ", nothing to read but at the root", n, c);
  if (me != root) in.assign(wide, T(99));
  scatter(c, in, span<T>(in).subspan(mine, n), root, how);
  std::vector<T> left(wide, T(99));
  for (std::size_t i = 0; i < n; ++i) left[mine + i] = want[i];
  need(in == (me == root ? all : left), name + ", in place", n, c);
}

template <class T>
void check_all_to_all(communicator& c, std::size_t n, const call_options& how, const std::string& name) {
  const int p = c.size(), me = c.rank();
  const std::size_t wide = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  std::vector<T> in = operands<T>(me, wide), out(wide, T(99)), want;
  for (int r = 0; r < p; ++r)
    for (std::size_t i = 0; i < n; ++i) want.push_back(value<T>(r, mine + i));
  all_to_all(c, in, out, how);
  need(out == want && in == operands<T>(me, wide), name, n, c);
  // Each rank as it likes: in place or not is nobody else's business.
  if (me % 2 == 0) all_to_all(c, in, how);
  else all_to_all(c, in, out, how);
  need((me % 2 == 0 ? in : out) == want, name + ", in place on every second rank", n, c);
}

template <class T>
void check_scan(communicator& c, std::size_t n, bool exclusive, const call_options& how, const std::string& name) {
  const int me = c.rank();
  auto call = [&](const auto& in, auto& out) {
    if (exclusive) exclusive_scan(c, in, out, plus{}, how);
    else scan(c, in, out, plus{}, how);
  };
  std::vector<T> in = operands<T>(me, n), out(n, T(99)), want;
  for (std::size_t i = 0; i < n; ++i) want.push_back(total<T>(exclusive ? me : me + 1, i));
  call(in, out);
  const bool none = exclusive && me == 0;
  need(in == operands<T>(me, n) && out == (none ? std::vector<T>(n, T(99)) : want), name, n, c);
  call(in, in);
  need(in == (none ? operands<T>(me, n) : want), name + ", in place", n, c);
}

/// Every algorithm of every collective at one count; T holds small sums exactly.
template <class T>
void check_count(communicator& c, std::size_t n) {
  const int p = c.size(), me = c.rank();
  const std::size_t wide = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  for (const repertoire_entry& entry : repertoire) {
    const call_options how{.algorithm = entry.how};
    const std::string name = std::string(name_of(entry.what)) + " by " + name_of(entry.how);
    auto is_total = [&](const std::vector<T>& v, std::size_t from, std::size_t first) {
      bool right = true;
      for (std::size_t i = 0; i < n; ++i) right &= v[from + i] == total<T>(p, first + i);
      return right;
    };
    switch (entry.what) {
      case collective::all_reduce: {
        std::vector<T> in = operands<T>(me, n), out(n, T(99));
        all_reduce(c, in, out, plus{}, how);
        need(is_total(out, 0, 0) && in == operands<T>(me, n), name, n, c);
        all_reduce(c, in, plus{}, how);
        need(is_total(in, 0, 0), name + ", in place", n, c);
        break;
      }
      case collective::reduce_scatter: {
        std::vector<T> in = operands<T>(me, wide), out(n, T(99));
        reduce_scatter(c, in, out, plus{}, how);
        need(is_total(out, 0, mine) && in == operands<T>(me, wide), name, n, c);
        reduce_scatter(c, in, span<T>(in).subspan(mine, n), plus{}, how);
        need(is_total(in, mine, mine), name + ", in place", n, c);
        break;
      }
      case collective::all_gather: {
        std::vector<T> in = operands<T>(me, n), out(wide, T(99)), want;
        for (int r = 0; r < p; ++r)
          for (T v : operands<T>(r, n)) want.push_back(v);
        all_gather(c, in, out, how);
        need(out == want, name, n, c);
        std::vector<T> both(wide, T(99));
        for (std::size_t i = 0; i < n; ++i) both[mine + i] = in[i];
        all_gather(c, span<T>(both).subspan(mine, n), both, how);
        need(both == want, name + ", in place", n, c);
        break;
      }
      case collective::broadcast:
        for (int root = 0; root < p; root += 1 + p / 3) {
          std::vector<T> x = operands<T>(me, n);
          broadcast(c, x, root, how);
          need(x == operands<T>(root, n), name, n, c);
        }
        break;
      case collective::reduce:
        for (int root = 0; root < p; root += 1 + p / 3) {
          std::vector<T> in = operands<T>(me, n), out(n, T(99));
          reduce(c, in, out, plus{}, root, how);
          need(in == operands<T>(me, n), name + ", input", n, c);
          need(me == root ? is_total(out, 0, 0) : out == std::vector<T>(n, T(99)), name, n, c);
          reduce(c, in, plus{}, root, how);
          need(me == root ? is_total(in, 0, 0) : in == operands<T>(me, n), name + ", in place", n, c);
        }
        break;
      case collective::barrier: barrier(c, how); break;
      case collective::gather:
        for (int root = 0; root < p; root += 1 + p / 3) check_gather<T>(c, n, root, how, name);
        break;
      case collective::scatter:
        for (int root = 0; root < p; root += 1 + p / 3) check_scatter<T>(c, n, root, how, name);
        break;
      case collective::scan: check_scan<T>(c, n, false, how, name); break;
      case collective::exclusive_scan: check_scan<T>(c, n, true, how, name); break;
      case collective::all_to_all: check_all_to_all<T>(c, n, how, name); break;
    }
  }
}

/// Buffers that neighbours read in place, beside private ones: the same answers.
inline void check_lent(communicator& c, std::size_t n) {
  using numbers = buffer<std::int32_t>;
  const int p = c.size(), me = c.rank();
  const std::size_t wide = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  auto fill = [](auto& x, int rank) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = value<std::int32_t>(rank, i);
  };
  auto is_total = [&](const auto& x, std::size_t from, std::size_t first) {
    for (std::size_t i = 0; i < n; ++i)
      if (x[from + i] != total<std::int32_t>(p, first + i)) return false;
    return true;
  };
  std::vector<repertoire_entry> entries(std::begin(repertoire), std::end(repertoire));
  for (collective what : every_collective) entries.push_back({.what = what});  // as the plan likes
  for (const repertoire_entry& entry : entries) {
    const call_options how{.algorithm = entry.how};
    const std::string name = std::string(name_of(entry.what)) + " by " + name_of(entry.how) + ", lent";
    numbers in(c, wide), out(c, wide);
    std::vector<std::int32_t> own(wide, 99);
    fill(in, me);
    const span<std::int32_t> part = span(in).subspan(0, n), result = span(out).subspan(0, n);
    switch (entry.what) {
      case collective::all_reduce:
        all_reduce(c, part, result, plus{}, how);
        need(is_total(out, 0, 0), name, n, c);
        all_reduce(c, part, span(own).subspan(0, n), plus{}, how);
        need(is_total(own, 0, 0), name + ", into a private buffer", n, c);
        all_reduce(c, part, plus{}, how);
        need(is_total(in, 0, 0), name + ", in place", n, c);
        break;
      case collective::reduce_scatter:
        reduce_scatter(c, in, result, plus{}, how);
        need(is_total(out, 0, mine), name, n, c);
        reduce_scatter(c, in, span(in).subspan(mine, n), plus{}, how);
        need(is_total(in, mine, mine), name + ", in place", n, c);
        break;
      case collective::all_to_all:
        all_to_all(c, in, out, how);
        for (std::size_t i = 0; i < wide; ++i)
          need(out[i] == value<std::int32_t>(static_cast<int>(i / (n ? n : 1)), mine + i % (n ? n : 1)), name, n, c);
        // One of them in place: then nobody may read while it writes.
        if (me == p - 1) all_to_all(c, in, how);
        else all_to_all(c, in, out, how);
        for (std::size_t i = 0; i < wide; ++i)
          need((me == p - 1 ? in : out)[i] == value<std::int32_t>(static_cast<int>(i / (n ? n : 1)), mine + i % (n ? n : 1)), name + ", one in place", n, c);
        break;
      case collective::all_gather:
        all_gather(c, part, out, how);
        for (int r = 0; r < p; ++r)
          for (std::size_t i = 0; i < n; ++i)
            need(out[static_cast<std::size_t>(r) * n + i] == value<std::int32_t>(r, i), name, n, c);
        break;
      case collective::broadcast:
        broadcast(c, part, p - 1, how);
        for (std::size_t i = 0; i < n; ++i) need(part[i] == value<std::int32_t>(p - 1, i), name, n, c);
        break;
      case collective::reduce:
        reduce(c, part, result, plus{}, p - 1, how);
        need(me != p - 1 || is_total(out, 0, 0), name, n, c);
        break;
      default: break;
    }
    // Whoever has returned may write to its buffers at once, whatever the others still do.
    fill(in, 100);
    fill(out, 100);
  }
}

inline void check_order(communicator& c, std::size_t n) {
  const team& all = c.all();
  std::vector<affine> in(n), want(n);
  for (std::size_t i = 0; i < n; ++i) {
    in[i] = map_of(c.rank(), i);
    want[i] = map_of(0, i);
    for (int r = 1; r < c.size(); ++r) want[i] = compose{}(want[i], map_of(r, i));
  }
  std::vector<affine> out(n);
  for (bool exclusive : {false, true}) {
    std::vector<affine> before = in, wanted(n, affine{7, 7});
    for (std::size_t i = 0; i < n; ++i) {
      const int last = exclusive ? c.rank() : c.rank() + 1;
      if (last > 0) wanted[i] = map_of(0, i);
      for (int r = 1; r < last; ++r) wanted[i] = compose{}(wanted[i], map_of(r, i));
    }
    for (algorithm how : {algorithm::automatic, algorithm::linear, algorithm::doubling}) {
      out.assign(n, affine{7, 7});
      if (exclusive) exclusive_scan(c, in, out, compose{}, {.algorithm = how});
      else scan(c, in, out, compose{}, {.algorithm = how});
      need(out == wanted && in == before, "order kept by scans", n, c);
    }
  }
  all_reduce(c, in, out, compose{});
  need(out == want, "order kept by the plan's own choice", n, c);
  for (algorithm how : every_algorithm) {
    if (!available(collective::all_reduce, how, all)) continue;
    bool refused = false;
    try {
      all_reduce(c, in, out, compose{}, {.algorithm = how});
      need(out == want, "order kept", n, c);
    } catch (const error& e) {
      refused = e.code() == errc::invalid_argument;
    }
    need(refused == !keeps_order(collective::all_reduce, how, all), "an algorithm that exchanges operands is refused", n, c);
  }
}

inline void check_async(communicator& c, std::size_t n) {
  std::vector<std::vector<float>> buckets;
  std::vector<request> requests;
  for (std::size_t b = 0; b < 12; ++b) buckets.push_back(operands<float>(c.rank(), n + b));
  for (auto& bucket : buckets) requests.push_back(all_reduce_async(c, bucket));
  std::vector<double> between{1.0 * c.rank()};
  request forgotten = all_reduce_async(c, between);
  std::size_t b = buckets.size();
  while (b-- > 0) {
    if (b % 2) requests[b].wait();
    else while (!requests[b].test()) {}
    for (std::size_t i = 0; i < n + b; ++i) need(buckets[b][i] == total<float>(c.size(), i), "async bucket", n + b, c);
  }
  { request given_up = std::move(forgotten); }
  int scale = c.size();  // a functor with a state, which the operation must keep
  std::vector<long> state{1};
  request r = [&] {
    auto weigh = [scale](long a, long x) { return (a * 0 + scale) + (x * 0); };
    return all_reduce_async(c, state, weigh);
  }();
  r.wait();
  need(state[0] == (c.size() == 1 ? 1 : scale), "a functor's state", 1, c);
  barrier(c);  // whoever gave up a request has it done by now
  need(between[0] == c.size() * (c.size() - 1) / 2.0, "a request given up", 1, c);
}

inline void check_all(communicator& c, bool quick) {
  for (std::size_t n : {0u, 1u, 2u, 5u, 64u, 1000u, 9001u}) check_count<int>(c, n);
  check_count<float>(c, 333);
  check_count<std::uint8_t>(c, 4099);
  check_count<half>(c, 77);
  check_count<fp8_e4m3>(c, 77);
  if (!quick) check_count<double>(c, 300000);
  for (std::size_t n : {0u, 7u, 2500u, quick ? 20001u : 70001u}) check_lent(c, n);
  for (std::size_t n : {1u, 100u, 5000u}) check_order(c, n);
  for (std::size_t n : {1u, 20000u}) check_async(c, n);
  for (std::size_t n : {3u, 5001u}) conversions::check_all(c, n);
  uneven_cases::check_all(c);
  together_cases::check_all(c);
  communicator other = c.duplicate(), threaded = other.duplicate({.progress = progress::thread});
  check_count<int>(other, 50);
  check_count<int>(threaded, 3000);
  check_lent(threaded, 20000);
  check_async(threaded, 20000);
  uneven_cases::check_drawn<int>(threaded, {uneven_cases::seed()}, 2000);
  // Two communicators at once are not ordered with each other.
  std::vector<long> one{c.rank() + 1L}, two{c.rank() + 2L};
  request first = c.rank() % 2 ? all_reduce_async(threaded, one) : all_reduce_async(c, two);
  request second = c.rank() % 2 ? all_reduce_async(c, two) : all_reduce_async(threaded, one);
  first.wait();
  second.wait();
  const long p = c.size();
  need(one[0] == p * (p + 1) / 2 && two[0] == p * (p + 1) / 2 + p, "two communicators", 1, c);
}

}  // namespace cases
