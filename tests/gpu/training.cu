// Law 1 between the host's trainer and a device's: floats without TF32, 100 steps.
#include <tutti/kernel/cudnn.cuh>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>

#include "../train/device_runs.hpp"

TEST_CASE("Law 1: over 100 steps of the trainer a GPU and the host differ by no more than rounding explains") {
  const auto found = device_runs::law_1_over_100_steps<tutti::naive_backend<float>, tutti::cudnn_backend<float>>();
  MESSAGE(found.text());
  CHECK(found.last_loss < 0.7 * found.first_loss);
  REQUIRE(found.apart.size() == 3);
  for (const device_runs::distance& each : found.apart) CHECK(each.explained_by(found.spread));
}
