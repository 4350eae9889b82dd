#include <tutti/kernel/naive_backend.hpp>

#include <doctest/doctest.h>

#include <algorithm>

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
  layer.backward_data(w, y, dy, &dx), layer.backward_weights(x, dy, dw, db);
  CHECK(dxs == std::vector<int>{5, 5});
  CHECK(dws == std::vector<int>{5, 10, 0, 0});
  CHECK(dbs == std::vector<int>{5, 0});
}

TEST_CASE("A convolution in parts is the whole one, each part reading and making its boxes only") {
  backend::context c;
  for (std::size_t k = 1; k < odd_convolutions.size(); ++k)
    for (bool relu : {false, true}) {
      CAPTURE(k);
      const convolution_geometry& g = odd_convolutions[k];
      auto xs = some<modular>(g.inputs(), 1), ws = some<modular>(g.weights(), 2), bs = some<modular>(g.filters, 3);
      auto row = [](std::size_t n) { return backend::format::row_major({{"n", n}}); };
      backend::tensor x(c, row(xs.size()), xs.data()), w(c, row(ws.size()), ws.data()), b(c, row(bs.size()), bs.data());
      const backend::layer_request r{.x = row(xs.size()), .weights = {}, .relu = relu};
      backend::convolution whole(c, g, r);
      backend::tensor y(c, whole.y()), found(c, whole.y());
      whole.forward(x, w, b, y);
      std::size_t made = 0;
      for (const partial_convolution& p : quarters(g)) {
        backend::convolution_part(c, whole, r, p).forward(x, w, b, found);
        made += p.part.outputs();
      }
      CHECK(made == g.outputs());
      CHECK(std::equal(y.stored().begin(), y.stored().end(), found.stored().begin()));
    }
}
