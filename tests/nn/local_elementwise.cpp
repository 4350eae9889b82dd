#include <tutti/nn/local_elementwise.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("a ReLU and a sum work where an operand lies, and elsewhere; a flatten does nothing") {
  operation_list net({{"batch", 1}, {"features", 3}});
  net.pointwise("relu");
  local_requests::on_rank(0, mesh{}, net, "", [](const auto& request) {
    local_relu<backend> relu(request);
    CHECK(relu.in_place());
    auto x = tensors({{-1, 0, 2}}), y = tensors({{9, 9, 9}}), dy = tensors({{5, 6, 7}});
    relu.forward({&x[0]}, x, y[0]);
    CHECK(values(x[0]) == std::vector<double>{-1, 0, 2});
    CHECK(values(y[0]) == std::vector<double>{0, 0, 2});
    relu.forward({&x[0]}, x, x[0]);
    CHECK(values(x[0]) == std::vector<double>{0, 0, 2});
    relu.backward({&x[0]}, x, x[0], dy[0], {&dy[0]}, x);
    CHECK(values(dy[0]) == std::vector<double>{0, 0, 7});
  });
  net.sum("sum", 0, 1);
  local_requests::on_rank(0, mesh{}, net, "", [](const auto& request) {
    local_sum<backend> sum(request);
    auto x = tensors({{1, 2, 3}, {10, 20, 30}});
    sum.forward({&x[0], &x[1]}, x, x[1]);
    CHECK(values(x[1]) == std::vector<double>{11, 22, 33});
  });
  operation_list pictures({{"batch", 1}, {"channels", 2}, {"height", 1}, {"width", 3}});
  pictures.flatten("flatten");
  local_requests::on_rank(0, mesh{}, pictures, "", [](const auto& request) {
    local_flatten<backend> flatten(request);
    CHECK(flatten.renames());
    CHECK(flatten.dims().rank() == 4);
  });
}
