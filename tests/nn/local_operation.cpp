#include <tutti/nn/local_operation.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;

TEST_CASE("a request knows what of a parameter is this rank's, and when there is nothing to compute") {
  operation_list net({{"batch", 2}, {"features", 5}});
  net.dense("d", 3);
  local_requests::on_rank(0, {{"p", 2}}, net, "d/units:p", [](const auto& r) {
    CHECK(r.local(0) == shape{{"units", 2}, {"features", 5}});
    CHECK(r.local(1) == shape{{"units", 2}});
    CHECK(!r.idle());
  });
  local_requests::on_rank(3, {{"p", 4}}, net, "d/units:p", [](const auto& r) { CHECK(r.idle()); });
}
