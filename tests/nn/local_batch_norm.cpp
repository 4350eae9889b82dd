#include <tutti/nn/local_batch_norm.hpp>

#include <atomic>

#include <doctest/doctest.h>

#include "local_requests.hpp"

using namespace tutti;
using local_requests::backend, local_requests::tensors, local_requests::values;

TEST_CASE("ranks normalise by the mean and variance of all of them, and evaluate by those of before") {
  operation_list net({{"batch", 2}, {"channels", 1}, {"height", 1}, {"width", 2}});
  net.batch_norm("n");
  std::atomic<int> right{0};
  local_requests::on_rank(local_requests::everyone, {{"p", 3}}, net, "n/batch:p", [&](local_request<backend> request) {
    // 1 and 3, 5 and 7, and a rank without samples: mean 4, variance 5, and 20 / 3 of a sample.
    const int r = request.on.rank().value;
    auto x = r == 0 ? tensors({{1, 3}}) : r == 1 ? tensors({{5, 7}}) : tensors({{}}), w = tensors({{2}, {1}});
    auto y = tensors({values(x[0])}), dy = tensors({values(x[0])}), dw = tensors({{9}, {9}});
    const double root = std::sqrt(5 + 1e-5);
    bool good = true;
    for (bool relu : {false, true}) {
      request.relu = relu;
      *request.state = {};
      local_batch_norm<backend> layer(request);
      layer.forward({&x[0]}, w, y[0]);
      for (std::size_t i = 0; i < values(x[0]).size(); ++i) {
        const double expected = 2 * (values(x[0])[i] - 4) / root + 1;
        good &= std::abs(values(y[0])[i] - (relu ? std::max(expected, 0.0) : expected)) < 1e-14;
      }
      const auto& running = request.state->norms[0];
      good &= std::abs(running.mean[0] - 0.4) < 1e-15 && std::abs(running.variance[0] - (0.9 + 0.1 * 20 / 3)) < 1e-14;
      layer.backward({&x[0]}, w, y[0], dy[0], {&y[0]}, dw);
      // The relu lets all but the first through.
      good &= std::abs(values(dw[1])[0] - (relu ? 15 : 16)) < 1e-14;
      good &= std::abs(values(dw[0])[0] - ((relu ? 0 : -3) - 3 + 5 + 21) / root) < 1e-13;
    }
    request.why = purpose::evaluation;
    request.relu = false;
    running_statistics<backend>& before = request.state->norms[0];
    before = {.mean = buffer<double>(1), .variance = buffer<double>(1)};
    before.mean[0] = 3, before.variance[0] = 4 - 1e-5;
    local_batch_norm<backend> layer(request);
    layer.forward({&x[0]}, w, y[0]);
    for (std::size_t i = 0; i < values(x[0]).size(); ++i) good &= std::abs(values(y[0])[i] - (values(x[0])[i] - 2)) < 1e-14;
    right += good;
  });
  CHECK(right == 3);
}
