#include <tutti/base/share.hpp>

#include <doctest/doctest.h>

#include <initializer_list>

using namespace tutti;

TEST_CASE("shares follow each other, cover the whole, and differ by at most one") {
  for (std::size_t whole : {0u, 1u, 2u, 5u, 16u, 33u})
    for (int ranks = 1; ranks <= 17; ++ranks) {
      std::size_t next = 0;
      for (int r = 0; r < ranks; ++r) {
        const share mine = share_of(whole, r, ranks);
        CHECK(mine.first == next);
        CHECK(mine.count >= whole / static_cast<std::size_t>(ranks));
        CHECK(mine.count <= whole / static_cast<std::size_t>(ranks) + 1);
        next = mine.end();
      }
      CHECK(next == whole);
    }
}
