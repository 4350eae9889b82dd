#include <tutti/kernel/onednn.hpp>

#include <doctest/doctest.h>

#include "onednn_tools.hpp"

using namespace tutti;

TEST_CASE("The backend names every layer, its data and how they are copied") {
  using backend = onednn_backend;
  backend::context c(1);
  const auto f = backend::format::row_major({{"n", 3}});
  std::vector<float> three{1, 2, 3};
  backend::tensor from(c, f, three.data()), into(c, f);
  backend::copy(c, from, into);
  CHECK(values_of(c, into, 3) == three);
  CHECK(backend::max_pool(
            c, {.batch = 1, .channels = 1, .height = 2, .width = 2, .down = {.size = 2}, .across = {.size = 2}},
            backend::format::row_major({{"n", 1}, {"c", 1}, {"h", 2}, {"w", 2}}), true)
            .y()
            .stored() == 1);
}
