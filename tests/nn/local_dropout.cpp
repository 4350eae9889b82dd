#include <tutti/nn/local_dropout.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("a rank drops what one rank alone would, forward and backward, and nothing in evaluation") {
  operation_list net({{"batch", 3}, {"features", 5}});
  net.dropout("d", 0.5);
  for (int r : {0, 1})
    local_requests::on_rank(r, {{"p", 2}}, net, "d/features:p", [&](local_request<backend> request) {
      request.number = 7;
      const std::size_t width = r == 0 ? 3 : 2, first = r == 0 ? 0 : 3;
      const dropout_mask mask{.seed = 3, .step = 2, .layer = 7, .rate = 0.5};
      std::vector<double> expected;
      for (std::size_t n = 0; n < 3; ++n)
        for (std::size_t f = 0; f < width; ++f) expected.push_back(mask.keeps(n * 5 + first + f) ? 2 : 0);
      local_dropout<backend> layer(request);
      CHECK(layer.in_place());
      auto x = tensors({std::vector<double>(3 * width, 1)}), y = tensors({std::vector<double>(3 * width, 9)});
      layer.forward({&x[0]}, x, y[0]);
      CHECK(values(y[0]) == expected);
      layer.backward({&x[0]}, x, y[0], x[0], {&x[0]}, x);
      CHECK(values(x[0]) == expected);
      request.why = purpose::evaluation;
      CHECK(local_dropout<backend>(request).renames());
    });
}
