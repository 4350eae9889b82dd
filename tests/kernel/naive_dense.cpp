#include <tutti/kernel/naive_dense.hpp>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;

TEST_CASE("A dense layer done by hand") {
  const dense_geometry g{.batch = 2, .channels = 3, .units = 2};
  std::vector<int> x{1, 2, 3, 4, 5, 6}, w{1, 0, -1, 2, 2, 2}, b{10, 20}, y(4);
  naive::dense<int>(g, x, w, b, y);
  CHECK(y == std::vector<int>{1 - 3 + 10, 12 + 20, 4 - 6 + 10, 30 + 20});
}

TEST_CASE("All gradients are the adjoints of the dense layer, exactly, over a prime field") {
  for (const auto& g : odd_denses) {
    auto x = some<modular>(g.inputs(), 1), w = some<modular>(g.weights(), 2), dy = some<modular>(g.outputs(), 3),
         b = some<modular>(g.units, 4);
    std::vector<modular> none(g.units), y(g.outputs()), with(g.outputs()), added(g.outputs()),
        dx(g.inputs(), modular(5)), dw(g.weights(), modular(5)), db(g.units, modular(5));
    naive::dense<modular>(g, x, w, none, y);
    naive::dense<modular>(g, x, w, b, with);
    naive::dense_backward_data<modular>(g, dy, w, dx);
    naive::dense_backward_weights<modular>(g, x, dy, dw);
    naive::dense_backward_bias<modular>(g, dy, db);
    for (std::size_t i = 0; i < y.size(); ++i) added[i] = with[i] - y[i];
    CHECK(inner_product(y, dy) == inner_product(x, dx));
    CHECK(inner_product(y, dy) == inner_product(w, dw));
    CHECK(inner_product(added, dy) == inner_product(b, db));
  }
}
