#include <tutti/kernel/naive_backend.hpp>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;
using backend = naive_backend<modular>;

TEST_CASE("A tensor is its own memory or somebody else's, and moves without moving it") {
  backend::context c;
  const auto four = backend::format::row_major({{"n", 2}, {"m", 2}});
  std::vector<modular> theirs(4, modular(7));
  backend::tensor own(c, four), borrowed(c, four, theirs.data());
  CHECK(four.stored() == 4);
  CHECK(own.stored()[3] == modular());
  backend::copy(c, borrowed, own);
  const modular* before = own.stored().data();
  backend::tensor moved = std::move(own);
  CHECK(moved.stored().data() == before);
  CHECK(moved.stored()[3] == modular(7));
  CHECK(borrowed.stored().data() == theirs.data());
}

TEST_CASE("Layers are the plain kernels, with a ReLU where one was asked for") {
  naive_backend<int>::context c;
  using plain = naive_backend<int>;
  plain::dense layer(c, {.batch = 1, .channels = 2, .units = 2},
                     {.x = plain::format::row_major({{"n", 2}}), .weights = {}, .relu = true});
  std::vector<int> xs{1, 2}, ws{1, 1, -1, -1}, bs{0, 0}, ys(2), dys{5, 6}, dxs(2, 9), dws(4, 9), dbs(2, 9);
  auto two = plain::format::row_major({{"n", 2}}), four = layer.weights();
  plain::tensor x(c, two, xs.data()), w(c, four, ws.data()), b(c, two, bs.data()), y(c, two, ys.data()),
      dy(c, two, dys.data()), dx(c, two, dxs.data()), dw(c, four, dws.data()), db(c, two, dbs.data());
  layer.forward(x, w, b, y);
  CHECK(ys == std::vector<int>{3, 0});
  layer.backward(x, w, y, dy, &dx, dw, db);
  CHECK(dxs == std::vector<int>{5, 5});
  CHECK(dws == std::vector<int>{5, 10, 0, 0});
  CHECK(dbs == std::vector<int>{5, 0});
}
