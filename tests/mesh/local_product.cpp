#include <tutti/mesh/local_product.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/matmul.hpp>

#include "../kernel/data.hpp"

using namespace tutti;

TEST_CASE("a part of the loops, of tensors of which other parts are in memory, in any order of dimensions") {
  const shape a{{"k", 3}, {"n", 2}, {"m", 4}}, b{{"w", 3}, {"n", 2}, {"k", 3}};
  const std::vector<modular> x = some<modular>(24, 1), y = some<modular>(18, 2);
  for (const std::initializer_list<name>& order : {std::initializer_list<name>{"n", "m", "w"}, {"w", "m", "n"}, {"m", "n", "w"}}) {
    const einsum e(a, b, order);
    block loops(e.over());  // (k, n, m, w)
    loops[0] = {.first = 1, .count = 2}, loops[2] = {.first = 1, .count = 3};
    block in_c(e.result());
    std::vector<modular> c(in_c.elements(), modular(5)), expected = c;
    auto place = [&](std::size_t n, std::size_t m, std::size_t w) {
      std::size_t at = 0;
      for (const dimension& d : e.result()) at = at * d.size + (d.what == name("n") ? n : d.what == name("m") ? m : w);
      return at;
    };
    for (std::size_t n = 0; n < 2; ++n)
      for (std::size_t m = 1; m < 4; ++m)
        for (std::size_t w = 0; w < 3; ++w)
          for (std::size_t k = 1; k < 3; ++k)
            expected[place(n, m, w)] = expected[place(n, m, w)] + x[(k * 2 + n) * 4 + m] * y[(w * 2 + n) * 3 + k];
    blocked_matmul matmul;
    local_product<modular> multiply_part(e);
    multiply_part(loops, block(a), x.data(), block(b), y.data(), in_c, c.data(), matmul);
    CHECK(c == expected);
  }
}
