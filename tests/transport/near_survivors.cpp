#include <tutti/transport/near_survivors.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "../unhurried.hpp"

using namespace tutti;

namespace {

// Ranks that are threads, and what each of them finds to be lost.
struct group {
  static constexpr int size = 4;
  survivor_board board;
  survivor_desk desks[size];
  std::atomic<int> lost{-1};

  std::unique_ptr<near_survivors> join(int r, int condemned = -1, double patience = 60) {
    std::vector<survivor_desk*> all;
    for (survivor_desk& d : desks) all.push_back(&d);
    return std::make_unique<near_survivors>(board, all, r, condemned, patience, [this] {
      const int l = lost.load();
      return l < 0 ? std::vector<int>{} : std::vector<int>{l};
    });
  }
};

// `body(rank)` on a thread each; what it says wrong, or an error's text.
std::vector<std::string> each(std::vector<int> ranks, const std::function<std::string(int)>& body) {
  std::vector<std::string> said(group::size);
  std::vector<std::thread> threads;
  for (int r : ranks)
    threads.emplace_back([&, r] {
      try {
        said[static_cast<std::size_t>(r)] = body(r);
      } catch (const std::exception& e) {
        said[static_cast<std::size_t>(r)] = e.what();
      }
    });
  for (std::thread& t : threads) t.join();
  return said;
}

std::string members(const survivors& s) {
  std::string text;
  for (int r : s.members()) text += std::to_string(r);
  return text;
}

// One byte that is a rank's own, then as many as make several pieces.
std::string gathers(survivors& s, int me) {
  for (std::size_t n : {std::size_t{0}, std::size_t{1}, 5 * survivor_desk::piece_bytes + 7}) {
    std::vector<std::byte> mine(n + static_cast<std::size_t>(me), std::byte(me + 1));
    const contributions all = s.all_gather({mine.data(), mine.size()});
    std::size_t whole = 0;
    for (int r : s.members()) {
      const auto& theirs = all[static_cast<std::size_t>(r)];
      if (theirs.size() != n + static_cast<std::size_t>(r)) return "a wrong length";
      for (std::byte b : theirs)
        if (b != std::byte(r + 1)) return "a wrong byte";
      whole += theirs.size();
    }
    for (const auto& bytes : all) whole -= bytes.size();
    if (whole != 0) return "something from one that is gone";
  }
  return "";
}

}  // namespace

TEST_CASE("those that come agree on who they are and gather, without the one that was condemned or is found lost") {
  for (bool condemned : {true, false}) {
    group g;
    if (!condemned) g.lost = 1;
    const auto said = each({0, 2, 3}, [&](int r) {
      auto s = g.join(r, condemned ? 1 : -1);
      std::string text = members(*s) + gathers(*s, r);
      return text + (s->settle() ? " settled" : " not settled");
    });
    for (int r : {0, 2, 3}) CHECK(said[static_cast<std::size_t>(r)] == "023 settled");
    CHECK_THROWS_WITH_AS(g.join(1), "rank 1 was given up by the other ranks, which have gone on without it", error);
    CHECK_THROWS_WITH_AS(g.join(2), "rank 2 has shrunk this session before", error);
  }
}

TEST_CASE("whoever does not come in time is left out") {
  // Where the machine holds rank 1 up for longer than the other waits, it is left out too.
  const auto in_time = [](const std::vector<std::string>& said) { return said[1] == "12" || said[1] == "1"; };
  const auto said = tests::unhurried(0.3, [](double seconds) {
    group g;
    const auto both = each({1, 2}, [&](int r) {
      auto s = g.join(r, -1, seconds);
      return members(*s) + (s->settle() ? "" : " not settled");
    });
    CHECK_THROWS_AS(g.join(0), error);
    return both;
  }, in_time);
  // One of the two may have come as late as the others.
  CHECK(in_time(said));
}

TEST_CASE("one that is lost before all have settled is left out by all that remain") {
  group g;
  std::unique_ptr<near_survivors> dead;
  const auto said = each({0, 1, 2, 3}, [&](int r) -> std::string {
    for (int attempt = 1;; ++attempt) try {
        auto s = g.join(r);
        if (r == 2) {
          s->all_gather({});
          g.lost = 2;
          dead = std::move(s);  // as if it had been killed: nothing of it runs any more
          return "";
        }
        s->all_gather({});
        std::string text = gathers(*s, r);
        if (s->settle()) return text + members(*s) + format(" at attempt %d", attempt);
      } catch (const survivor_lost&) {
      }
  });
  for (int r : {0, 1, 3}) CHECK(said[static_cast<std::size_t>(r)] == "013 at attempt 2");
}

TEST_CASE("one that cannot join says so by leaving, and the others go on") {
  group g;
  const auto said = each({0, 1, 2, 3}, [&](int r) -> std::string {
    for (;;) try {
        auto s = g.join(r);
        s->all_gather({});
        if (r == 0) throw std::runtime_error("no memory");
        if (s->settle()) return members(*s);
      } catch (const survivor_lost&) {
      }
  });
  CHECK(said[0] == "no memory");
  for (int r : {1, 2, 3}) CHECK(said[static_cast<std::size_t>(r)] == "123");
}
