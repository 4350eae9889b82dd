#include <tutti/nn/local_pool.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("a rank pools what it reads, and one without results does nothing") {
  operation_list net({{"batch", 1}, {"channels", 1}, {"height", 3}, {"width", 1}});
  net.pool("p", {.size = 2, .stride = 3, .pad_low = 1}, {});
  for (int r : {0, 1})
    local_requests::on_rank(r, {{"p", 2}}, net, "p/height:p", [&](const auto& request) {
      local_pool<backend, backend::max_pool> pool(request);
      auto x = r == 0 ? tensors({{5}}) : tensors({{}});
      auto y = r == 0 ? tensors({{9}}) : tensors({{}}), dy = r == 0 ? tensors({{4}}) : tensors({{}}), dx = r == 0 ? tensors({{9}}) : tensors({{}});
      pool.forward({&x[0]}, x, y[0]);
      pool.backward({&x[0]}, x, y[0], dy[0], {&dx[0]}, x);
      CHECK(values(y[0]) == (r == 0 ? std::vector<double>{5} : std::vector<double>{}));
      CHECK(values(dx[0]) == (r == 0 ? std::vector<double>{4} : std::vector<double>{}));
    });
}
