#include <tutti/mesh/interior.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <tutti/kernel/random.hpp>

#include "windows.hpp"

using namespace tutti;

namespace {

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
static_assert(interior(three, {.first = 4, .count = 4}, {.first = 4, .count = 4}, 12) == share{.first = 5, .count = 2});
static_assert(interior(three, {.first = 0, .count = 4}, {.first = 0, .count = 4}, 12) == share{.first = 0, .count = 3});
static_assert(interior(three, {.first = 0, .count = 1}, {.first = 0, .count = 0}, 1).count == 0);

/// Some places of `whole`, at times none.
share any_of(std::size_t whole, const random_stream& random, std::uint64_t& next) {
  const std::size_t a = random.below(next++, whole + 1), b = random.below(next++, whole + 1);
  return {.first = std::min(a, b), .count = a < b ? b - a : a - b};
}

bool within(share inner, share outer) { return inner.count == 0 || (inner.first >= outer.first && inner.end() <= outer.end()); }

}  // namespace

TEST_CASE("whatever the window, the interior of any outputs, of an owner by seed, and of all, of any owner, is what reads nothing but what is owned") {
  std::size_t cases = 0, wrong = 0;
  const random_stream random{.seed = 33};
  std::uint64_t next = 0;
  for_each_window([&](const window& w, std::size_t height) {
    const std::size_t outputs = w.outputs(height);
    auto check = [&](share made, share owned) {
      const share in = interior(w, made, owned, height);
      wrong += in.first < made.first || in.end() > made.end();
      for (std::size_t i = made.first; i < made.end(); ++i) {
        const share read = read_by(w, {i, 1}, height);
        const bool inside = i >= in.first && i < in.end();
        // A window that sees padding only may be counted as either.
        wrong += inside != within(read, owned) && (inside || read.count > 0);
      }
      ++cases;
    };
    for (int ranks = 1; ranks <= 4; ++ranks)
      for (int r = 0; r < ranks; ++r) check(share_of(outputs, r, ranks), share_of(height, r, ranks));
    for (std::size_t first = 0; first <= outputs; ++first)
      for (std::size_t end = first; end <= outputs; ++end) check({first, end - first}, any_of(height, random, next));
    for (std::size_t first = 0; first <= height; ++first)
      for (std::size_t end = first; end <= height; ++end) check({0, outputs}, {first, end - first});
  });
  CHECK(wrong == 0);
  MESSAGE("windows and cuts, seed 33: " << cases);
}

TEST_CASE("interior and rims are what is made, each place once, and the interior's windows lie in what is owned") {
  const random_stream random{.seed = 34};
  std::uint64_t next = 0;
  std::size_t rims = 0;
  for (int round = 0; round < 3000; ++round) {
    shape in{{"batch", 2}, {"channels", 2}};
    std::vector<window> windows;
    const std::size_t directions = 2 + random.below(next++, 2);
    for (std::size_t d = 0; d < directions; ++d) {
      windows.push_back(any_window(3, random, next));
      in.append({d == 0 ? "height" : d == 1 ? "width" : "depth", windows[d].reach() + random.below(next++, 6)});
    }
    operation_list net(in);
    net.convolution("c", 3, windows);
    const tensor_operation& o = net.all()[0];
    block owned(o.x), made(o.y);
    for (std::size_t d = 2; d < in.rank(); ++d) owned[d] = any_of(o.x[d].size, random, next), made[d] = any_of(o.y[d].size, random, next);
    const std::vector<block> parts = interior_and_rims(o, owned, made);
    std::vector<int> times(made.elements());
    for (const block& part : parts) for_each_run(part, part, made, [&](std::size_t, std::size_t at, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) ++times[at + i];
      });
    CHECK(std::count(times.begin(), times.end(), 1) == static_cast<std::ptrdiff_t>(times.size()));
    for (std::size_t d = 2; d < in.rank(); ++d)
      if (parts[0].elements() > 0) CHECK(within(read_by(o.windows[d - 2], parts[0][d], o.x[d].size), owned[d]));
    for (std::size_t p = 1; p < parts.size(); ++p) CHECK(parts[p].elements() > 0);
    rims += parts.size() - 1;
  }
  CHECK(rims > 1000);
}
