#include <tutti/kernel/channels_last_layer.hpp>

#include <doctest/doctest.h>

#include "far_machine.hpp"

using namespace tutti;

TEST_CASE("layers refuse pictures whose channels are not last") {
  using backend = far_machine::near_backend<float>;
  backend::context c;
  const shape x{{"n", 1}, {"c", 2}, {"h", 3}, {"w", 3}};
  const convolution_geometry flat{.batch = 1, .channels = 2, .height = 3, .width = 3, .filters = 1};
  CHECK_THROWS_WITH_AS(backend::convolution(c, flat, {.x = backend::format::row_major(x)}), "on devices layers take pictures and weights with their channels last", error);
}

TEST_CASE("in 16 bits weights are rounded for the product only, and their gradients come in float") {
  using backend = far_machine::near_backend<tutti::half>;
  using tensor = backend::tensor;
  using parameter = backend::parameter;
  backend::context c;
  const auto of = [](std::size_t rows, std::size_t columns) { return backend::format::native({{"a", rows}, {"b", columns}}); };
  backend::dense layer(c, {.batch = 1, .channels = 1, .units = 1}, {.x = of(1, 1), .relu = true});
  tensor x(c, of(1, 1)), y(c, of(1, 1)), dy(c, of(1, 1)), dx(c, of(1, 1));
  parameter w(c, of(1, 1)), b(c, of(1, 1)), dw(c, of(1, 1)), db(c, of(1, 1));
  const float weight = 1.0f + 0x1p-13f;  // more than a half holds
  x.stored()[0] = tutti::half(2.0f), w.stored()[0] = weight, b.stored()[0] = 1.0f, dy.stored()[0] = tutti::half(0.5f);
  layer.forward(x, w, b, y);
  CHECK(static_cast<float>(y.stored()[0]) == 3.0f);
  layer.backward_data(w, y, dy, &dx);
  layer.backward_weights(x, dy, dw, db);
  CHECK(static_cast<float>(dx.stored()[0]) == 0.5f);
  CHECK(dw.stored()[0] == 1.0f);
  CHECK(db.stored()[0] == 0.5f);
  CHECK(w.stored()[0] == weight);
}
