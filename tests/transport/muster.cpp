#include <tutti/transport/muster.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <tutti/comm/group.hpp>

#include "lines.hpp"

using namespace tutti;
using detail::muster;

namespace {

// Monitors' connections and a muster for each rank, moved in turn by one thread.
struct session {
  struct member {
    std::unique_ptr<detail::peer_lines> lines;
    std::unique_ptr<muster> work;
    std::vector<char> here;
    muster::answer got;
    bool has = false;

    void opened(detail::heartbeat_line&) {}
    void came(detail::heartbeat_line& l) { work->came(l, *lines); }
    void ended(detail::heartbeat_line&) {}
  };
  std::vector<member> all;
  double t = 1;

  explicit session(int ranks) : all(static_cast<std::size_t>(ranks)) {
    tests::lines joined(ranks);
    for (std::size_t r = 0; r < all.size(); ++r) {
      all[r].lines = std::make_unique<detail::peer_lines>(std::move(joined.of[r]));
      all[r].work = std::make_unique<muster>(static_cast<int>(r), detail::everyone(ranks), all.size());
      all[r].here.assign(all.size(), 1);
    }
  }
  member& at(int r) { return all[static_cast<std::size_t>(r)]; }
  void gone(int r) {
    for (member& m : all) m.here[static_cast<std::size_t>(r)] = 0;
  }
  void contribute(int r, std::uint64_t round, const std::string& text, double patience = 1000) {
    std::vector<std::byte> bytes(text.size());
    if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
    at(r).work->contribute(round, std::move(bytes), t + patience);
    at(r).has = false;
  }
  // Until all of these have an answer.
  bool answered(std::vector<int> ranks, int most = 3000) {
    for (int step = 0; step < most; ++step, t += 0.01) {
      bool done = true;
      for (std::size_t r = 0; r < all.size(); ++r) {
        member& m = all[r];
        if (!m.here[r]) continue;
        m.lines->move(t, m);
        m.work->step(t, *m.lines, [&](int p) { return p != static_cast<int>(r) && m.here[static_cast<std::size_t>(p)]; },
                     [&](int p) { m.lines->dial(p, t); });
        m.lines->flush();
        m.has |= m.work->take(m.got);
      }
      for (int r : ranks) done &= at(r).has;
      if (done) return true;
      ::usleep(500);
    }
    return false;
  }
  std::string text(int r) {
    std::string all_said;
    for (std::size_t p = 0; p < at(r).got.came.size(); ++p)
      if (at(r).got.came[p]) all_said += format("%zu:", p) + std::string(reinterpret_cast<const char*>(at(r).got.said[p].data()), at(r).got.said[p].size()) + " ";
    return all_said;
  }
};

}  // namespace

TEST_CASE("those that come gather through the lowest of them, and one that is gone is not waited for") {
  session s(4);
  s.gone(0);
  s.gone(2);
  s.contribute(3, 0, "");
  CHECK(!s.answered({3}, 20));  // rank 1 lives and has not come
  s.contribute(1, 0, "");
  REQUIRE(s.answered({1, 3}));
  for (int r : {1, 3}) CHECK(s.text(r) == "1: 3: ");
  for (std::uint64_t round = 1; round < 4; ++round) {
    s.contribute(1, round, "one");
    s.contribute(3, round, std::string(round * 5000, 'x'));
    REQUIRE(s.answered({1, 3}));
    for (int r : {1, 3}) CHECK(s.text(r) == "1:one 3:" + std::string(round * 5000, 'x') + " ");
  }
}

TEST_CASE("whoever comes too late hears that the others have gone on") {
  session s(3);
  for (int r : {0, 1}) s.contribute(r, 0, "", 0.5);
  REQUIRE(s.answered({0, 1}));
  CHECK(s.text(1) == "0: 1: ");
  s.contribute(2, 0, "late");
  REQUIRE(s.answered({2}));
  CHECK(s.text(2) == "0: 1: ");
}

TEST_CASE("where the lowest lives and does not come, the next one leads, and it hears of that") {
  session s(3);
  for (int r : {1, 2}) s.contribute(r, 0, "", 0.5);
  REQUIRE(s.answered({1, 2}));
  for (int r : {1, 2}) CHECK(s.text(r) == "1: 2: ");
  s.contribute(0, 0, "late");
  REQUIRE(s.answered({0}));
  CHECK(s.text(0) == "1: 2: ");
}

TEST_CASE("however many of the lowest live and do not come, the others have an answer as soon as with one") {
  session s(8);
  for (int r : {6, 7}) s.contribute(r, 0, "", 0.5);
  const double begun = s.t;
  REQUIRE(s.answered({6, 7}));
  for (int r : {6, 7}) CHECK(s.text(r) == "6: 7: ");
  CHECK(s.t - begun > 0.5 + 2 * muster::grace);
  CHECK(s.t - begun < 0.5 + muster::longest - 5);  // all are passed over at once
}

TEST_CASE("however long each would wait for one that does not come, all have one answer, in time for who waits least") {
  for (int lowest : {0, 1}) {  // whether the lowest comes
    CAPTURE(lowest);
    session s(4);
    s.contribute(2, 0, "", 0.5);
    CHECK(!s.answered({2}, 20));
    s.contribute(lowest, 0, "", 1000);
    s.contribute(3, 0, "", 100);
    const double begun = s.t;
    REQUIRE(s.answered({lowest, 2, 3}));
    for (int r : {lowest, 2, 3}) CHECK(s.text(r) == format("%d: 2: 3: ", lowest));
    CHECK(s.t - begun < 0.5 + muster::longest);
  }
}

TEST_CASE("who leads once another is lost gives the others time to turn to it, though theirs is over") {
  session s(3);
  for (int r : {1, 2}) s.contribute(r, 0, "", 0.5);
  CHECK(!s.answered({1, 2}, 100));  // rank 0 lives and has not come
  s.gone(0);
  REQUIRE(s.answered({1, 2}));
  for (int r : {1, 2}) CHECK(s.text(r) == "1: 2: ");
}

TEST_CASE("one that is lost after they have agreed is everyone's error, and so is one that gives up") {
  for (int lost : {0, 2}) {
    session s(3);
    for (int r : {0, 1, 2}) s.contribute(r, 0, "");
    REQUIRE(s.answered({0, 1, 2}));
    s.gone(lost);
    for (int r : {0, 1, 2})
      if (r != lost) s.contribute(r, 1, "");
    REQUIRE(s.answered({1, 2 - lost}));
    for (int r : {1, 2 - lost}) {
      CHECK(s.at(r).got.came.empty());
      CHECK(s.at(r).got.lost == lost);
    }
  }
  session s(3);
  for (int r : {0, 1, 2}) s.contribute(r, 0, "");
  REQUIRE(s.answered({0, 1, 2}));
  s.at(1).work->give_up("no memory", *s.at(1).lines);
  for (int r : {0, 2}) s.contribute(r, 1, "");
  // Whom it has no connection to hears it from the leader, which misses it.
  REQUIRE(s.answered({0}));
  CHECK(s.at(0).got.why == "no memory");
}
