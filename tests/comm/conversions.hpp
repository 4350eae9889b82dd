#pragma once
// Reductions whose elements do not travel as they are given: exact expectations,
// on whatever link a communicator has. Throws std::logic_error.
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/base/accumulation.hpp>
#include <tutti/base/binned.hpp>
#include <tutti/comm/collectives.hpp>
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
}

}  // namespace conversions
