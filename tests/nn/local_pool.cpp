#include <tutti/nn/local_pool.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("a rank pools what it reads, and makes 0 where its windows see padding only") {
  operation_list net({{"batch", 1}, {"channels", 1}, {"height", 1}, {"width", 1}});
  net.pool("p", {.size = 1, .pad_low = 1, .pad_high = 1}, {});
  for (int r : {0, 1, 2})
    local_requests::on_rank(r, {{"p", 3}}, net, "p/height:p", [&](const auto& request) {
      local_pool<backend, backend::max_pool> pool(request);
      auto x = r == 1 ? tensors({{5}}) : tensors({{}});
      auto y = tensors({{9}}), dy = tensors({{4}}), dx = r == 1 ? tensors({{9}}) : tensors({{}});
      pool.forward({&x[0]}, x, y[0]);
      CHECK(values(y[0])[0] == (r == 1 ? 5 : 0));
      pool.backward({&x[0]}, x, y[0], dy[0], {&dx[0]}, x);
      if (r == 1) CHECK(values(dx[0])[0] == 4);
    });
}
