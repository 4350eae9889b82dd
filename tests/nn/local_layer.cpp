#include <tutti/nn/local_layer.hpp>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("where nothing is left to sum the result is the bias, of one summand alone, and its gradient is still the sum") {
  operation_list net({{"batch", 3}, {"features", 1}});
  net.dense("d", 2);
  for (bool relu : {false, true})
    for (int r : {0, 1})
      local_requests::on_rank(r, {{"p", 2}}, net, "d/features:p", [&](local_request<backend> request) {
        request.relu = relu;
        local_dense<backend> layer(request);
        auto x = tensors({{1, 2, 3}, {}}), w = tensors({{}, {5, -7}}), y = tensors({{9, 9, 9, 9, 9, 9}}), dw = tensors({{}, {9, 9}});
        if (r == 0) w = tensors({{2, 3}, {5, -7}}), dw = tensors({{9, 9}, {9, 9}});
        layer.forward({&x[static_cast<std::size_t>(r)]}, w, y[0]);
        const double low = relu ? 0 : -1;
        if (r == 0) CHECK(values(y[0]) == std::vector<double>{7, low * 4, 9, low * 1, 11, 2});
        else CHECK(values(y[0]) == std::vector<double>(6, 0));
        auto dy = tensors({{1, 2, 3, 4, 5, 6}});
        layer.backward({&x[static_cast<std::size_t>(r)]}, w, y[0], dy[0], {nullptr}, dw);
        layer.finish_backward({&x[static_cast<std::size_t>(r)]}, dy[0], dw);
        if (!relu) CHECK(values(dw[1]) == std::vector<double>{9, 12});
        else CHECK(values(dw[1]) == (r == 0 ? std::vector<double>{9, 6} : std::vector<double>{0, 0}));
      });
}

TEST_CASE("windows that see padding only give the bias, and a rank without results has gradients of 0") {
  operation_list net({{"batch", 1}, {"channels", 1}, {"height", 1}, {"width", 1}});
  net.convolution("c", 2, {.size = 1, .pad_low = 1, .pad_high = 1}, {});
  local_requests::on_rank(2, {{"p", 3}}, net, "c/height:p", [](const auto& request) {
    local_convolution<backend> layer(request);
    auto x = tensors({{}}), w = tensors({{2, 3}, {5, 7}}), y = tensors({{9, 9}}), dy = tensors({{4, 6}}), dw = tensors({{9, 9}, {9, 9}});
    layer.forward({&x[0]}, w, y[0]);
    CHECK(values(y[0]) == std::vector<double>{5, 7});
    layer.backward({&x[0]}, w, y[0], dy[0], {&x[0]}, dw);
    CHECK(values(dw[0]) == std::vector<double>{0, 0});
    CHECK(values(dw[1]) == std::vector<double>{4, 6});
  });
  local_requests::on_rank(2, {{"p", 3}}, net, "c/filters:p", [](const auto& request) {
    local_convolution<backend> layer(request);
    auto x = tensors({{1}}), w = tensors({{}, {}}), y = tensors({{}}), dx = tensors({{9}});
    layer.forward({&x[0]}, w, y[0]);
    layer.backward({&x[0]}, w, y[0], y[0], {&dx[0]}, w);
    CHECK(values(dx[0]) == std::vector<double>{0});
  });
}
