#include <tutti/comm/shown_exchange.hpp>

#include <doctest/doctest.h>

#include <vector>

#include "../transport/boards.hpp"

using namespace tutti;

namespace {

using counts = std::vector<std::size_t>;

// Rank s sends the numbers 100 s, 100 s + 1, … as `to` says.
struct exchange_of_three : private boards {
  exchange_of_three() : boards(3), each{of(0), of(1), of(2)} {}
  void run(const std::vector<counts>& to, const std::vector<counts>& from) {
    for (std::size_t r = 0; r < 3; ++r) {
      std::vector<int> data(to[r][0] + to[r][1] + to[r][2]);
      for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<int>(100 * r + i);
      shown_exchange::show(rounds[r], each[r], to[r].data(), from[r].data(), reinterpret_cast<const std::byte*>(data.data()),
                           {.fingerprint = 1, .what = &what, .element = sizeof(int)});
    }
    for (board_round& r : rounds) r.progress();
  }
  billboard each[3];
  board_round rounds[3];
  call what{};
};

}  // namespace

TEST_CASE("blocks that are shown with their counts are taken from there") {
  exchange_of_three e;
  const std::vector<counts> to{{1, 0, 2}, {0, 0, 3}, {2, 1, 0}}, from{{1, 0, 2}, {0, 0, 1}, {2, 3, 0}};
  e.run(to, from);
  const std::vector<int> wanted[] = {{0, 200, 201}, {202}, {1, 2, 100, 101, 102}};
  for (int me = 0; me < 3; ++me) {
    const shown_exchange all(e.rounds[me], sizeof(int));
    CHECK(all.agreed());
    REQUIRE(all.complete());
    std::vector<int> out(wanted[me].size());
    all.copy(me, reinterpret_cast<std::byte*>(out.data()));
    CHECK(out == wanted[me]);
  }
}

TEST_CASE("two that count differently are seen by all, and so is what had no room") {
  exchange_of_three e;
  const std::size_t most = (billboard::most_bytes() - shown_exchange::counts_bytes(3)) / sizeof(int);
  std::vector<counts> to{{0, most, 0}, {0, 0, 0}, {0, 0, 0}}, from{{0, 0, 0}, {most, 0, 0}, {0, 0, 0}};
  e.run(to, from);
  for (const board_round& r : e.rounds) CHECK((shown_exchange(r, sizeof(int)).agreed() && shown_exchange(r, sizeof(int)).complete()));
  ++to[0][1];
  e.run(to, from);
  for (const board_round& r : e.rounds) CHECK(!shown_exchange(r, sizeof(int)).agreed());
  CHECK(shown_exchange(e.rounds[2], sizeof(int)).sent(0, 1) == most + 1);
  CHECK(shown_exchange(e.rounds[2], sizeof(int)).expected(0, 1) == most);
  ++from[1][0];
  e.run(to, from);
  for (const board_round& r : e.rounds) CHECK((shown_exchange(r, sizeof(int)).agreed() && !shown_exchange(r, sizeof(int)).complete()));
}
