#include <tutti/nn/local_operations.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;

TEST_CASE("no pass computes a loss, and says so") {
  operation_list net({{"batch", 1}, {"features", 3}});
  net.loss("entropy");
  local_requests::on_rank(0, mesh{}, net, "", [](const auto& request) {
    CHECK_THROWS_WITH_AS(make_local(request), "layer 'entropy' is a loss, which is computed of what a pass makes", error);
  });
}
