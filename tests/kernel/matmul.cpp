#include <tutti/kernel/matmul.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "data.hpp"

TEST_CASE("a product in blocks is the product, added to what is there, whatever the sizes") {
  const struct {
    std::size_t m, n, k;
  } sizes[] = {{1, 1, 1}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {2, 3, 5}, {5, 513, 67}, {3, 1030, 130}, {7, 4, 64}};
  for (const auto& s : sizes) {
    const std::vector<modular> a = some<modular>(s.m * s.k, 1), b = some<modular>(s.k * s.n, 2);
    std::vector<modular> c = some<modular>(s.m * s.n, 3), expected = c;
    for (std::size_t i = 0; i < s.m; ++i)
      for (std::size_t j = 0; j < s.n; ++j)
        for (std::size_t k = 0; k < s.k; ++k) expected[i * s.n + j] = expected[i * s.n + j] + a[i * s.k + k] * b[k * s.n + j];
    tutti::blocked_matmul{}(s.m, s.n, s.k, a.data(), b.data(), c.data());
    CHECK(c == expected);
  }
}
