#include <tutti/nn/convolution_in_parts.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include <tutti/mesh/interior.hpp>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

namespace {

/// A convolution of 3 x 3 of pictures of `rows` x 4 on the middle one of three ranks.
template <class Body>
void in_the_middle(std::size_t rows, Body body) {
  operation_list net({{"batch", 2}, {"channels", 1}, {"height", rows}, {"width", 4}});
  constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
  net.convolution("c", 2, three, three);
  const mesh m{{"p", 3}};
  local_requests::on_rank(1, m, net, "c/height:p", [&](local_request<backend> request) {
    block own = request.read[0];
    own[2] = local_share(request.plan.operands[0].at, m, {1}, 2, rows);
    request.parts = interior_and_rims(request.what, own, request.made);
    body(request, own);
  });
}

}  // namespace

TEST_CASE("the interior is made before the halo is there, and the rims behind it") {
  in_the_middle(12, [](const auto& request, const block& own) {
    local_convolution<backend> whole(request);
    convolution_in_parts<backend> layer(request);
    std::vector<double> pictures(request.read[0].elements()), arriving;  // (2, 1, 6, 4)
    for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<double>(i * i % 11);
    arriving.assign(pictures.size(), 1e6);
    copy_block(own, request.read[0], pictures.data(), request.read[0], arriving.data());
    auto x = tensors({pictures, arriving}), w = tensors({std::vector<double>(18), {1, 2}}), y = tensors({std::vector<double>(64, -5), std::vector<double>(64, -5)});
    for (std::size_t i = 0; i < 18; ++i) w[0].stored()[i] = static_cast<double>(i % 5);
    whole.start_forward({&x[0]}, w, y[0]);
    CHECK(values(y[0]) == std::vector<double>(64, -5));
    whole.forward({&x[0]}, w, y[0]);
    layer.start_forward({&x[1]}, w, y[1]);
    std::vector<double> expected(64, -5);  // (2, 2, 4, 4), of which two rows need no halo
    for (std::size_t i = 0; i < 64; ++i)
      if (const std::size_t row = i / 4 % 4; row == 1 || row == 2) expected[i] = y[0].stored()[i];
    CHECK(values(y[1]) == expected);
    std::copy(pictures.begin(), pictures.end(), x[1].stored().begin());
    layer.forward({&x[1]}, w, y[1]);
    CHECK(values(y[1]) == values(y[0]));
  });
}

TEST_CASE("a rank whose outputs all need a halo waits for it") {
  in_the_middle(3, [](const auto& request, const block&) {
    CHECK(request.parts[0].elements() == 0);
    convolution_in_parts<backend> layer(request);
    auto x = tensors({std::vector<double>(24, 1)}), w = tensors({std::vector<double>(18, 1), {1, 2}}), y = tensors({std::vector<double>(16, -5)});
    layer.start_forward({&x[0]}, w, y[0]);
    CHECK(values(y[0]) == std::vector<double>(16, -5));
    layer.forward({&x[0]}, w, y[0]);
    CHECK(y[0].stored()[0] == 7);
    CHECK(y[0].stored()[5] == 11);
  });
}
