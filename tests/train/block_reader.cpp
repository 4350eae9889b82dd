#include <tutti/train/block_reader.hpp>

#include <doctest/doctest.h>

#include "stripes.hpp"

using namespace tutti;

TEST_CASE("a part of a batch is read as a part of the whole batch") {
  const dataset data = stripes::pictures(9, 1);
  const sample_reader reader(data);
  const shape sample = stripes::small_network().sample;
  const std::uint32_t samples[] = {4, 8, 1, 3};
  block whole({{"n", 4}, {"c", 1}, {"h", 6}, {"w", 6}}), part = whole;
  part[0] = {.first = 1, .count = 2}, part[2] = {.first = 2, .count = 3};
  std::vector<float> all(whole.elements()), some(part.elements()), expected(part.elements());
  block_reader blocks;
  blocks.read(whole, sample, span<const std::uint32_t>(samples, 4), reader, all);
  blocks.read(part, sample, span<const std::uint32_t>(samples, 4), reader, some);
  copy_block(part, whole, all.data(), part, expected.data());
  CHECK(some == expected);
}
