#include "../../benchmarks/problem.hpp"

#include <doctest/doctest.h>

using namespace benchmarks;

TEST_CASE("sizes run from the least to the largest, each once") {
  const auto sizes = [](collective what, int ranks, std::size_t element, std::size_t least, std::size_t most, std::size_t factor) {
    std::vector<std::size_t> bytes;
    for (const problem& p : problems(what, ranks, element, least, most, factor)) bytes.push_back(p.bytes);
    return bytes;
  };
  using list = std::vector<std::size_t>;
  CHECK(sizes(collective::all_reduce, 2, 4, 8, 64, 2) == list{8, 16, 32, 64});
  CHECK(sizes(collective::all_reduce, 2, 4, 8, 63, 3) == list{8, 24});
  CHECK(sizes(collective::all_reduce, 2, 4, 0, 16, 2) == list{0, 4, 8, 16});
  CHECK(sizes(collective::all_reduce, 2, 8, 1, 17, 2) == list{0, 8, 16});
  CHECK(sizes(collective::all_reduce, 2, 4, 5, 5, 2) == list{4});
  CHECK(sizes(collective::all_gather, 3, 4, 8, 100, 2) == list{0, 12, 24, 60});
  CHECK(sizes(collective::all_reduce, 2, 1, std::size_t{1} << 62, ~std::size_t{0}, 2) ==
        list{std::size_t{1} << 62, std::size_t{1} << 63});
}

TEST_CASE("sizes that are listed become whole elements, and nothing only where nothing was asked for") {
  const auto sizes = [](collective what, int ranks, std::size_t element, const std::vector<std::size_t>& asked) {
    std::vector<std::size_t> bytes;
    for (const problem& p : problems(what, ranks, element, asked)) bytes.push_back(p.bytes);
    return bytes;
  };
  using list = std::vector<std::size_t>;
  CHECK(sizes(collective::all_reduce, 4, 4, {8, 64, 1000}) == list{8, 64, 1000});
  CHECK(sizes(collective::all_reduce, 4, 8, {0, 1, 9, 17}) == list{0, 8, 16});
  CHECK(sizes(collective::reduce_scatter, 4, 4, {8, 12, 64, 100}) == list{16, 64, 96});
  CHECK(sizes(collective::all_gather, 3, 4, {8, 0, 24}) == list{12, 0, 24});
}

TEST_CASE("bytes are those of the whole vector") {
  const problem scattered{.what = collective::reduce_scatter, .ranks = 4, .element = 4, .bytes = 64};
  CHECK(scattered.input_count() == 16);
  CHECK(scattered.output_count() == 4);
  CHECK(scattered.bus_factor() == 0.75);
  const problem gathered{.what = collective::all_gather, .ranks = 4, .element = 4, .bytes = 64};
  CHECK(gathered.input_count() == 4);
  CHECK(gathered.output_count() == 16);
  const problem to_root{.what = collective::gather, .ranks = 4, .element = 4, .bytes = 64};
  CHECK((to_root.input_count() == 4 && to_root.output_count() == 16 && to_root.bus_factor() == 0.75));
  const problem from_root{.what = collective::scatter, .ranks = 4, .element = 4, .bytes = 64};
  CHECK((from_root.input_count() == 16 && from_root.output_count() == 4 && from_root.bus_factor() == 0.75));
  const problem swapped{.what = collective::all_to_all, .ranks = 4, .element = 4, .bytes = 64};
  CHECK((swapped.input_count() == 16 && swapped.output_count() == 16 && swapped.block() == 4 && swapped.bus_factor() == 0.75));
  const problem reduced{.what = collective::all_reduce, .ranks = 4, .element = 4, .bytes = 64};
  CHECK(reduced.input_count() == 16);
  CHECK(reduced.output_count() == 16);
  CHECK(reduced.bus_factor() == 1.5);
}
