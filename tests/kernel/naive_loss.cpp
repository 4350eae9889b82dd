#include <tutti/kernel/naive_loss.hpp>

#include <cmath>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;
using naive::softmax_cross_entropy;

TEST_CASE("Equal logits cost the logarithm of the number of classes") {
  std::vector<double> logits(8, 0.0), gradient(8);
  std::vector<std::uint8_t> labels{0, 3};
  auto loss = softmax_cross_entropy<double>(4, logits, labels, 1.0, gradient);
  // exp(0) and 4 · 1 are exact, and so each sample costs the double nearest to log 4.
  CHECK(loss.sum == 2 * std::log(4.0));
  CHECK(loss.correct == 1);  // the first of equals
  CHECK(gradient == std::vector<double>{-0.75, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, -0.75});
}

TEST_CASE("Logits of any size neither overflow nor lose the loss") {
  std::vector<float> logits{1000.0f, 0.0f, -1000.0f}, none;
  CHECK(softmax_cross_entropy<float>(3, logits, std::vector<std::uint8_t>{2}, 1.0f, none).sum == 2000.0);
  CHECK(softmax_cross_entropy<float>(3, logits, std::vector<std::uint8_t>{0}, 1.0f, none).sum == 0.0);
}

TEST_CASE("The gradient is what finite differences say") {
  // One logit's third derivative of log Σ exp is p(1−p)(1−2p), at most 1/(6√3); a central difference over 2h is
  // off by h²/6 of that, and by the rounding of two losses below 16, each some 30 operations, over 2h.
  constexpr double h = 1e-4;
  const double bound = h * h / 6 / (6 * std::sqrt(3.0)) + 2 * 30 * 0x1p-53 * 16 / (2 * h);
  constexpr std::size_t classes = 10, batch = 3;
  auto logits = some<double>(classes * batch, 17);
  for (double& l : logits) l *= 4;
  std::vector<std::uint8_t> labels{2, 9, 0};
  std::vector<double> gradient(logits.size()), none;
  softmax_cross_entropy<double>(classes, logits, labels, 1.0, gradient);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    auto moved = logits;
    moved[i] = logits[i] + h;
    const double above = softmax_cross_entropy<double>(classes, moved, labels, 1.0, none).sum;
    moved[i] = logits[i] - h;
    const double below = softmax_cross_entropy<double>(classes, moved, labels, 1.0, none).sum;
    CHECK(std::abs((above - below) / (2 * h) - gradient[i]) <= bound);
  }
}

TEST_CASE("The scale scales the gradient, and an empty batch costs nothing") {
  std::vector<double> logits{1, 2, 4}, one(3), half(3);
  std::vector<std::uint8_t> labels{1};
  softmax_cross_entropy<double>(3, logits, labels, 1.0, one);
  softmax_cross_entropy<double>(3, logits, labels, 0.5, half);
  for (std::size_t i = 0; i < 3; ++i) CHECK(half[i] == 0.5 * one[i]);
  std::vector<double> nothing;
  auto loss = softmax_cross_entropy<double>(3, nothing, std::vector<std::uint8_t>{}, 1.0, nothing);
  CHECK(loss.sum == 0);
  CHECK(loss.correct == 0);
}
