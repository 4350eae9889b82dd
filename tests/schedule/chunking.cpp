#include <tutti/schedule/chunking.hpp>

#include <doctest/doctest.h>

#include <cstdint>

namespace {

using namespace tutti;

static_assert(chunking{.count = 10, .parts = 3}.begin(chunk{1}) == 4);
static_assert(chunking{.count = 10, .parts = 3}.end(chunk{2}) == 10);

/// The laws: chunks lie one after the other, cover the block, and hold as many
/// grains as any other or one less, an incomplete one counted.
void check_laws(const chunking& cut) {
  CAPTURE(cut.count);
  CAPTURE(cut.parts);
  CAPTURE(cut.grain);
  CAPTURE(cut.blocks);
  const std::size_t block = cut.count / static_cast<std::size_t>(cut.blocks);
  auto grains = [&](std::size_t elements) { return (elements + cut.grain - 1) / cut.grain; };
  std::size_t at = 0;
  for (int c = 0; c < cut.parts; ++c) {
    CHECK(cut.begin(chunk{c}) == at);
    REQUIRE(cut.end(chunk{c}) >= at);
    CHECK(cut.size(chunk{c}) <= cut.longest());
    CHECK(grains(cut.size(chunk{c})) + 1 >= grains(cut.longest()));
    at = cut.end(chunk{c});
    const bool whole = block == 0 || at % block % cut.grain == 0;
    if (c + 1 < cut.parts && cut.size(chunk{c + 1}) > 0) CHECK(whole);
  }
  CHECK(at == cut.count);
  CHECK(cut.size(chunks{{0}, cut.parts}) == cut.count);
}

TEST_CASE("chunks cover the vector in order, balanced to one grain") {
  for (std::size_t count : {0U, 1U, 2U, 3U, 4U, 5U, 7U, 12U, 100U, 1023U})
    for (int parts : {1, 2, 3, 4, 7, 8, 33})
      for (std::size_t grain : {1U, 2U, 8U, 64U}) check_laws({.count = count, .parts = parts, .grain = grain});
}

TEST_CASE("blocks of any lengths are cut alike, and lie one after the other") {
  using numbers = std::vector<std::size_t>;
  CHECK(uneven_bounds({5, 0, 2}, 3) == numbers{0, 5, 5, 7});
  CHECK(uneven_bounds({5, 0, 2}, 6) == numbers{0, 3, 5, 5, 5, 6, 7});
  CHECK(uneven_bounds({0}, 1) == numbers{0, 0});
  for (int in_block : {1, 2, 3, 7}) {
    const chunking alike = block_chunking(10, 4, 4 * in_block);
    const numbers bounds = uneven_bounds({10, 10, 10, 10}, 4 * in_block);
    for (int c = 0; c < 4 * in_block; ++c) CHECK(bounds[static_cast<std::size_t>(c)] == alike.begin(chunk{c}));
  }
}

TEST_CASE("no overflow near 2^60") {
  for (std::size_t count : {(std::size_t{1} << 60) - 1, std::size_t{1} << 60, (std::size_t{1} << 60) + 12345})
    for (int parts : {1, 7, 33, 1 << 20}) {
      const chunking cut{.count = count, .parts = parts, .grain = 64};
      CHECK(cut.begin(chunk{0}) == 0);
      CHECK(cut.end(chunk{parts - 1}) == count);
      for (int c : {0, parts / 2, parts - 1}) {
        CHECK(cut.size(chunk{c}) <= cut.longest());
        CHECK(cut.longest() - cut.size(chunk{c}) < 2 * 64);
        CHECK(cut.longest() <= count / static_cast<std::size_t>(parts) + 64);
      }
    }
}

TEST_CASE("blocks have exactly the given length, cut inside") {
  for (std::size_t block : {0U, 1U, 5U, 64U, 129U})
    for (int ranks : {1, 3, 5})
      for (int in_block : {1, 2, 3}) {
        const chunking cut = block_chunking(block, ranks, ranks * in_block);
        check_laws(cut);
        for (int r = 0; r < ranks; ++r) {
          CHECK(cut.begin(chunk{r * in_block}) == block * static_cast<std::size_t>(r));
          CHECK(cut.size(chunks{{r * in_block}, in_block}) == block);
        }
      }
}

}  // namespace
