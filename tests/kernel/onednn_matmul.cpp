#include <tutti/kernel/onednn_matmul.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/kernel/matmul.hpp>
#include <tutti/kernel/random.hpp>

using namespace tutti;

TEST_CASE("oneDNN's product of whole numbers is that of plain loops, to the bit") {
  onednn::context cpu(1);
  const struct {
    std::size_t m, n, k;
  } sizes[] = {{1, 1, 1}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {2, 3, 5}, {17, 65, 33}};
  for (const auto& s : sizes) {
    const random_stream random{.seed = 9};
    std::uint64_t next = 0;
    auto some = [&](std::size_t n) {
      std::vector<float> all;
      while (all.size() < n) all.push_back(static_cast<float>(random.below(++next, 15)) - 7);
      return all;
    };
    const std::vector<float> a = some(s.m * s.k), b = some(s.k * s.n);
    std::vector<float> c = some(s.m * s.n), expected = c;
    blocked_matmul{}(s.m, s.n, s.k, a.data(), b.data(), expected.data());
    onednn::matmul{}(s.m, s.n, s.k, a.data(), b.data(), c.data());
    CHECK(c == expected);
  }
}
