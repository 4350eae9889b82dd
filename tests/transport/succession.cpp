#include <tutti/transport/succession.hpp>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <tutti/base/clock.hpp>
#include <tutti/comm/group.hpp>

#include "lines.hpp"

namespace {

using tutti::errc, tutti::verdict;
namespace detail = tutti::detail;

/// The monitors of a session in one thread, over real sockets and in a time
/// that the test moves on: everybody looks every 10 ms of it.
class session {
 public:
  static constexpr double tick = 0.01;

  explicit session(int ranks) {
    tests::lines joined(ranks);
    for (int r = 0; r < ranks; ++r) {
      all_.push_back(std::make_unique<member>());
      member& m = *all_.back();
      m.work = std::make_unique<detail::succession>(r, detail::everyone(ranks), std::move(joined.of[static_cast<std::size_t>(r)]), m.board, t_);
    }
    for (int r = 0; r < ranks; ++r) REQUIRE(until([&] { return all_[static_cast<std::size_t>(r)]->work->joined(); }, 5));
  }

  double time() const { return t_; }
  int size() const { return static_cast<int>(all_.size()); }
  bool alive(int r) const { return at(r).work && !at(r).stopped; }
  bool left(int r) const { return at(r).gone_well; }
  bool knows(int r) const { return at(r).board.has_written(); }
  verdict said(int r) const { return const_cast<tutti::verdict_board&>(at(r).board).read(); }  // it is written

  void kill(int r) {
    at(r).work->close();
    at(r).work.reset();
  }
  void stop(int r) { at(r).stopped = true; }
  void go_on(int r) { at(r).stopped = false; }
  void propose(int r, const verdict& v) { at(r).work->propose(v, t_); }
  void stuck(int r, std::uint64_t operation) { at(r).stuck = operation; }
  void leave(int r) { at(r).work->leave(t_); }

  void step() {
    t_ += tick;
    for (const auto& m : all_) {
      if (!m->work || m->stopped) continue;
      m->work->follow(m->stuck);
      m->work->step(t_);
      if (m->work->finished()) {
        m->work->close();
        m->work.reset();
        m->gone_well = true;
      }
    }
  }
  template <class Condition>
  bool until(Condition holds, double seconds) {
    for (const double limit = t_ + seconds; t_ < limit; step())
      if (holds()) return true;
    return holds();
  }
  bool all_know(double seconds) {
    return until([&] {
      for (int r = 0; r < size(); ++r)
        if (alive(r) && !knows(r)) return false;
      return true;
    }, seconds);
  }
  /// How many different verdicts there are among those that live or left.
  std::vector<std::string> verdicts() const {
    std::vector<std::string> different;
    for (int r = 0; r < size(); ++r)
      if ((alive(r) || left(r)) && knows(r)) {
        const std::string text = said(r).text;
        if (std::find(different.begin(), different.end(), text) == different.end()) different.push_back(text);
      }
    return different;
  }

 private:
  struct member {
    tutti::verdict_board board;
    std::unique_ptr<detail::succession> work;
    bool stopped = false, gone_well = false;
    std::atomic<std::uint64_t> stuck{0};
  };
  member& at(int r) { return *all_[static_cast<std::size_t>(r)]; }
  const member& at(int r) const { return *all_[static_cast<std::size_t>(r)]; }

  double t_ = 1000;
  std::vector<std::unique_ptr<member>> all_;
};

verdict sentence(const std::string& text, errc code = errc::deadline) {
  verdict v{.code = code, .rank = 0};
  v.say(text);
  return v;
}

}  // namespace

TEST_CASE("in peace nobody says anything, however long it lasts") {
  session s(5);
  CHECK_FALSE(s.until([&] { return !s.verdicts().empty(); }, 60));
}

TEST_CASE("a death is known within a second, a stop within three") {
  for (int victim = 0; victim < 5; ++victim) {
    CAPTURE(victim);
    session dead(5);
    dead.kill(victim);
    CHECK(dead.all_know(1));
    CHECK(dead.verdicts().size() == 1);
    session stopped(5);
    stopped.stop(victim);
    CHECK(stopped.all_know(3));
    CHECK(stopped.verdicts().size() == 1);
    CHECK(stopped.said(victim == 0 ? 1 : 0).rank == victim);
  }
}

TEST_CASE("the coordinator hears all before it decides") {
  session s(4);
  s.stuck(0, 12);
  s.stuck(1, 11);
  s.stuck(2, 13);
  s.kill(3);
  REQUIRE(s.all_know(1));
  CHECK(s.said(0).operation == 11);
  CHECK(s.verdicts().size() == 1);
}

TEST_CASE("who comes to its operation only when it is asked is heard as well") {
  session s(3);
  s.stuck(0, 12);
  s.kill(2);
  s.until([] { return false; }, 0.05);
  s.stuck(1, 11);
  REQUIRE(s.all_know(1));
  CHECK(s.said(0).operation == 11);
}

TEST_CASE("operations of several communicators are not compared, and the sentence says whose it names") {
  session s(4);
  s.stuck(0, tutti::operation_id(7, 30));
  s.stuck(1, tutti::operation_id(9, 2));
  verdict v = sentence("rank 3 died", errc::rank_died);
  v.operation = tutti::operation_id(7, 40);
  s.propose(2, v);
  REQUIRE(s.all_know(1));
  CHECK(s.said(1).operation == tutti::operation_id(7, 30));
  CHECK(std::string(s.said(1).text).find("operation 30 of communicator 000007 could not be completed") != std::string::npos);
}

TEST_CASE("what a rank waited in when it reported a loss is not named where it was completed since") {
  session s(3);
  for (int r = 0; r < 3; ++r) s.stuck(r, tutti::operation_id(7, 722));
  verdict v = sentence("rank 2 died", errc::rank_died);
  v.operation = tutti::operation_id(7, 722);
  s.propose(0, v);
  s.kill(2);
  for (int r : {0, 1}) s.stuck(r, tutti::operation_id(7, 723));
  REQUIRE(s.all_know(1));
  CHECK(s.said(0).operation == tutti::operation_id(7, 723));
  const std::string text = s.said(1).text;
  CHECK(text.find("operation 723") != std::string::npos);
  CHECK(text.find("could not be completed") == text.rfind("could not be completed"));
}

TEST_CASE("nor where a connection ended; and what some rank still waits in is named though it came before") {
  for (const std::uint64_t others : {723u, 721u}) {
    session s(3);
    for (int r = 0; r < 3; ++r) s.stuck(r, tutti::operation_id(7, 722));
    verdict v = sentence("the connection between rank 1 and rank 2 has ended", errc::link);
    v.operation = tutti::operation_id(7, 722);
    v.names_operation = false;
    s.propose(1, v);
    for (int r = 0; r < 3; ++r) s.stuck(r, tutti::operation_id(7, r == 2 || others > 722 ? others : 722));
    REQUIRE(s.all_know(1));
    for (int r = 0; r < 3; ++r) {
      CHECK(s.said(r).operation == tutti::operation_id(7, others));
      CHECK(std::string(s.said(r).text) == tutti::format("the connection between rank 1 and rank 2 has ended; operation %d of communicator 000007 could not be completed", static_cast<int>(others)));
    }
  }
  // What names its operation itself is left as it is.
  session s(2);
  for (int r : {0, 1}) s.stuck(r, tutti::operation_id(7, 723));
  verdict v = sentence("what rank 1 sent to rank 0 is lost; operation 722 could not be completed", errc::link);
  v.operation = tutti::operation_id(7, 722);
  s.propose(0, v);
  REQUIRE(s.all_know(1));
  CHECK(s.said(1).operation == v.operation);
  CHECK(std::string(s.said(1).text) == v.text);
}

TEST_CASE("a mismatch keeps the operation that it names") {
  session s(3);
  s.stuck(0, 2);
  verdict v = sentence("ranks called different things", errc::mismatch);
  v.operation = 5;
  s.propose(2, v);
  REQUIRE(s.all_know(1));
  CHECK(s.said(1).operation == 5);
}

TEST_CASE("a rank that was stopped for a moment, or the whole job, is no failure") {
  session s(4);
  s.stop(2);
  CHECK_FALSE(s.until([&] { return !s.verdicts().empty(); }, 1.2));
  s.go_on(2);
  CHECK_FALSE(s.until([&] { return !s.verdicts().empty(); }, 5));
  for (int r = 0; r < 4; ++r) s.stop(r);
  s.until([] { return false; }, 30);
  for (int r = 0; r < 4; ++r) s.go_on(r);
  CHECK_FALSE(s.until([&] { return !s.verdicts().empty(); }, 10));
}

TEST_CASE("three coordinators in a row") {
  session s(6);
  s.kill(0);
  s.kill(1);
  s.stop(2);
  CHECK(s.all_know(5));
  CHECK(s.verdicts().size() == 1);
}

TEST_CASE("whoever leaves leaves at once, and the others watch on") {
  session s(6);
  for (int r : {0, 4, 1, 3}) {
    s.leave(r);
    CHECK(s.until([&] { return s.left(r); }, 0.5));
  }
  CHECK(s.verdicts().empty());
  s.stop(2);
  CHECK(s.all_know(3));
  CHECK(s.said(5).rank == 2);
}

namespace {

// Who did not run for a moment hears late of all that the others said meanwhile.
void leave_while_stopped(session& s, int stopped, std::initializer_list<int> leaving) {
  s.stop(stopped);
  for (int r : leaving) {
    s.leave(r);
    CHECK(s.until([&] { return s.left(r); }, 1.5));
  }
  s.go_on(stopped);
}

}  // namespace

TEST_CASE("whoever began to connect to a rank and then left is not missed by it") {
  session s(5);
  leave_while_stopped(s, 3, {0, 4});
  s.until([] { return false; }, 3);
  CHECK(s.verdicts().empty());
}

TEST_CASE("who comes late to the next coordinator hears who has left before") {
  session s(4);
  leave_while_stopped(s, 3, {0, 2});
  s.until([] { return false; }, 1);
  s.leave(1);
  CHECK(s.until([&] { return s.left(1); }, 1));
  s.until([] { return false; }, 3);
  CHECK(s.verdicts().empty());
}

// Ranks die, stop, speak and leave at moments drawn from a seed. Whoever still
// lives must hear of it, and all must hear the same.
TEST_CASE("whatever goes wrong, whenever: one verdict") {
  for (unsigned seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return static_cast<int>(random() % n); };
    session s(2 + below(5));
    const int events = 1 + below(3);
    bool wrong = false;
    std::vector<int> leaving;  // what happens to them after their goodbye concerns nobody
    std::string story = tutti::format("%d ranks", s.size());
    for (int e = 0; e < events; ++e) {
      const double pause = below(3) == 0 ? 0 : 0.01 * below(below(2) ? 30 : 250);
      s.until([] { return false; }, pause);
      const int r = below(static_cast<unsigned>(s.size())), what = below(4);
      if (!s.alive(r) || std::count(leaving.begin(), leaving.end(), r) != 0) continue;
      story += tutti::format(", after %.2f s rank %d %s", pause, r,
                             what == 0 ? "dies" : what == 1 ? "stops" : what == 2 ? "speaks" : "leaves");
      if (what == 0) s.kill(r);
      if (what == 1) s.stop(r);
      if (what == 2) s.propose(r, sentence(tutti::format("rank %d has had enough", r)));
      if (what == 3) {
        s.leave(r);
        leaving.push_back(r);
      }
      wrong |= what != 3;
    }
    CAPTURE(story);
    if (wrong) {
      CHECK(s.all_know(8));
    } else {
      CHECK_FALSE(s.until([&] { return !s.verdicts().empty(); }, 3));
    }
    const auto different = s.verdicts();
    CAPTURE(different.size());
    std::string texts;
    for (const std::string& text : different) texts += "\n  " + text;
    CAPTURE(texts);
    CHECK(different.size() <= 1);
    for (int r = 0; r < s.size(); ++r)
      if (s.alive(r)) s.leave(r);
    CHECK(s.until([&] {
      for (int r = 0; r < s.size(); ++r)
        if (s.alive(r)) return false;
      return true;
    }, 3.5));
  }
}
