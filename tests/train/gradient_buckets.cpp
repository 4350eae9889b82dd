#include <tutti/train/gradient_buckets.hpp>

#include <doctest/doctest.h>

using namespace tutti;

namespace {

parameter_store<float> store_of(std::initializer_list<std::size_t> sizes, const std::vector<unsigned>& sums) {
  std::vector<parameter> all;
  for (std::size_t n : sizes) all.push_back({.index = all.size(), .label = "p", .dims = {{"n", n}}, .stored = n});
  return parameter_store<float>(all, sums);
}

}  // namespace

TEST_CASE("buckets hold what was asked for, set by set, and end in the order in which backward fills them") {
  const std::vector<unsigned> sums{1, 0, 1, 2, 1, 2};
  const auto store = store_of({16, 16, 48, 16, 3, 32}, sums);
  // In the store: number 1, then 0, 2, 4, then 3 and 5.
  CHECK(buckets_of(store.parameters(), sums, 1) ==
        std::vector<gradient_bucket>{{.axes = 2, .first_parameter = 5, .first = 112, .count = 32},
                                     {.axes = 1, .first_parameter = 4, .first = 80, .count = 3},
                                     {.axes = 2, .first_parameter = 3, .first = 96, .count = 16},
                                     {.axes = 1, .first_parameter = 2, .first = 32, .count = 48},
                                     {.axes = 0, .first_parameter = 1, .first = 0, .count = 16},
                                     {.axes = 1, .first_parameter = 0, .first = 16, .count = 16}});
  CHECK(buckets_of(store.parameters(), sums, 40) ==
        std::vector<gradient_bucket>{{.axes = 2, .first_parameter = 3, .first = 96, .count = 48},
                                     {.axes = 1, .first_parameter = 2, .first = 32, .count = 51},
                                     {.axes = 0, .first_parameter = 1, .first = 0, .count = 16},
                                     {.axes = 1, .first_parameter = 0, .first = 16, .count = 16}});
}

TEST_CASE("no bucket of a network without parameters") { CHECK(buckets_of({}, {}, 1).empty()); }
