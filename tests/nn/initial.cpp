#include <tutti/nn/initial.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/networks/lenet.hpp>

using namespace tutti;

TEST_CASE("Parameters begin as their seed and name say") {
  const auto all = parameters_of(lenet());
  const auto weights = initial_values<float>(all[0], 1);
  CHECK(weights == initial_values<float>(all[0], 1));
  CHECK(weights != initial_values<float>(all[0], 2));
  parameter renamed = all[0];
  renamed.label = "other";
  CHECK(weights != initial_values<float>(renamed, 1));
  // Elements by their own number: a longer tensor begins like a shorter one.
  parameter longer = all[0];
  longer.dims = {{"filters", 17}, {"channels", 1}, {"down", 5}, {"across", 5}};
  const auto more = initial_values<float>(longer, 1);
  CHECK(std::vector<float>(more.begin(), more.begin() + 400) == weights);
}

TEST_CASE("Weights fill ±√(6 / fan-in), a bias is 0") {
  const auto all = parameters_of(lenet());
  const double bound = std::sqrt(6.0 / 800);
  double least = 1, most = -1, sum = 0;
  const auto weights = initial_values<double>(all[4], 1);
  for (double w : weights) {
    least = std::min(least, w);
    most = std::max(most, w);
    sum += w;
  }
  CHECK(least >= -bound);
  CHECK(most < bound);
  // Of 102,400 uniform numbers none lies in the outer hundredth with a chance below 0.99^102400 < 1e-446.
  CHECK(least < -0.98 * bound);
  CHECK(most > 0.98 * bound);
  // The mean's deviation is bound/√(3·102400); eight of them leave a chance of 1e-15.
  CHECK(std::abs(sum / 102400) < 8 * bound / std::sqrt(3 * 102400.0));
  CHECK(initial_values<double>(all[5], 1) == std::vector<double>(128, 0.0));
}

TEST_CASE("A norm begins with scale 1 and shift 0") {
  network net({{"channels", 3}, {"height", 2}, {"width", 2}});
  const auto all = parameters_of(net.batch_norm("n"));
  CHECK(initial_values<double>(all[0], 1) == std::vector<double>(3, 1.0));
  CHECK(initial_values<double>(all[1], 1) == std::vector<double>(3, 0.0));
}
