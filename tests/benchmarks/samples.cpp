#include "../../benchmarks/samples.hpp"

#include <doctest/doctest.h>

using namespace benchmarks;

TEST_CASE("a sample ends when the last rank has finished, and the first begins with the first rank") {
  // The second rank is behind once, the first one then.
  const std::vector<std::vector<double>> finished = {{0, 1, 5, 6}, {0.5, 3, 4, 8}};
  CHECK(samples_of(finished, true) == std::vector<double>{3, 2, 3});
  CHECK(samples_of(finished, false) == std::vector<double>{2.5, 4, 4});
}

TEST_CASE("mean, median and p99") {
  std::vector<double> samples;
  for (int i = 200; i > 0; --i) samples.push_back(i);
  const timing t = summarise(samples);
  CHECK(t.mean == doctest::Approx(100.5));  // sums of 200 rounded terms
  CHECK(t.median == 100);
  CHECK(t.p99 == 198);
  CHECK(summarise({7}).p99 == 7);
  CHECK(summarise({7}).median == 7);
}

TEST_CASE("calls are as many as were asked for, and some before to warm up") {
  tutti::solo_bootstrap alone;
  int calls = 0;
  auto call = [&] { ++calls; };
  const timing t = time_calls(alone, {.iterations = 8}, call);
  CHECK(calls > 8);
  CHECK(t.median >= 0);
  CHECK(t.p99 >= t.median);
}
