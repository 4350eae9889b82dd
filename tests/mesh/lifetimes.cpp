#include <tutti/mesh/lifetimes.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/random.hpp>

using namespace tutti;

static_assert(lay_out({{.size = 4, .from = 0, .to = 1}, {.size = 6, .from = 2, .to = 3}, {.size = 5, .from = 1, .to = 2}}).size == 11);

TEST_CASE("what lives at the same time lies apart, and what does not shares") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const random_stream random{.seed = seed};
    std::vector<lifetime> all;
    std::size_t together = 0;
    for (std::uint64_t i = 0; i < 3 * seed; i += 3) {
      const std::size_t from = random.below(i, 20);
      all.push_back({.size = random.below(i + 1, 9), .from = from, .to = from + random.below(i + 2, 6)});
      together += all.back().size;
    }
    const memory_layout laid = lay_out(all);
    std::size_t overlaps = 0, peak = 0;
    for (std::size_t step = 0; step < 26; ++step) {
      std::size_t live = 0;
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (step < all[i].from || all[i].to < step) continue;
        live += all[i].size;
        for (std::size_t k = 0; k < i; ++k)
          overlaps += all[k].from <= step && step <= all[k].to && laid.begins[i] < laid.begins[k] + all[k].size &&
                      laid.begins[k] < laid.begins[i] + all[i].size;
      }
      peak = live > peak ? live : peak;
    }
    CAPTURE(seed);
    CHECK(overlaps == 0);
    CHECK(laid.size >= peak);
    CHECK(laid.size <= together);
    if (seed > 20) CHECK(laid.size < together);
  }
}
