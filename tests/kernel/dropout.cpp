#include <tutti/kernel/dropout.hpp>

#include <algorithm>
#include <cmath>

#include <doctest/doctest.h>

#include "data.hpp"

using tutti::dropout_mask;

namespace {
constexpr dropout_mask half{.seed = 5, .step = 3, .layer = 1, .rate = 0.5};

std::vector<bool> kept(const dropout_mask& mask) {
  std::vector<bool> all;
  for (std::uint64_t i = 0; i < 4096; ++i) all.push_back(mask.keeps(i));
  return all;
}
}  // namespace

TEST_CASE("What is kept depends on seed, step, layer and the element's number, and on nothing else") {
  const auto usual = kept(half);
  auto other = half;
  other.seed = 6;
  CHECK(kept(other) != usual);
  other = half, other.step = 4;
  CHECK(kept(other) != usual);
  other = half, other.layer = 2;
  CHECK(kept(other) != usual);
  // In pieces, wherever they begin, as in one.
  const auto x = some<double>(4096, 1);
  std::vector<double> whole(4096), pieces(4096);
  half.apply<double>(0, x, whole);
  for (std::size_t first = 0, length = 1; first < 4096; first += length, ++length) {
    const std::size_t count = std::min<std::size_t>(length, 4096 - first);
    half.apply<double>(first, tutti::span<const double>(x.data() + first, count), tutti::span<double>(pieces.data() + first, count));
  }
  CHECK(pieces == whole);
  for (std::size_t i = 0; i < x.size(); ++i) REQUIRE(whole[i] == (usual[i] ? 2 * x[i] : 0));
}

TEST_CASE("As many go as the rate says, within what chance allows") {
  // Of n draws n·rate go, with a standard deviation of √(n·rate·(1 − rate)): five of these are less than one in a
  // million, and the draws are fixed.
  const double n = 100000;
  for (double rate : {0.0, 0.1, 0.5, 0.9}) {
    const dropout_mask mask{.seed = 7, .rate = rate};
    double gone = 0;
    for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(n); ++i) gone += !mask.keeps(i);
    CHECK(std::abs(gone - n * rate) <= 5 * std::sqrt(n * rate * (1 - rate)));
  }
}
