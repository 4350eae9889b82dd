#include <tutti/transport/peer_lines.hpp>

#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "lines.hpp"

namespace {
using tutti::detail::heartbeat_kind, tutti::detail::heartbeat_line, tutti::detail::peer_lines, tutti::detail::reach;
namespace detail = tutti::detail;

struct events {
  std::vector<int> opened_to, came_from, ended_with;
  std::vector<heartbeat_kind> kinds;
  void opened(heartbeat_line& l) { opened_to.push_back(l.peer); }
  void came(heartbeat_line& l) {
    came_from.push_back(l.peer);
    kinds.push_back(l.frame.kind);
  }
  void ended(heartbeat_line& l) { ended_with.push_back(l.peer); }
};

/// Three ranks of one session, and what each was told.
struct three {
  std::vector<std::unique_ptr<peer_lines>> all;
  std::vector<events> told{3};
  std::vector<std::uint16_t> ports;
  double t = 100;

  explicit three(int other_secret = -1) {
    tests::lines joined(3, other_secret);
    ports = joined.ports;
    for (peer_lines& lines : joined.of) all.push_back(std::make_unique<peer_lines>(std::move(lines)));
  }
  template <class Condition>
  bool until(Condition holds, double seconds) {
    for (const double limit = t + seconds; t < limit; t += 0.01) {
      if (holds()) return true;
      for (std::size_t r = 0; r < 3; ++r)
        if (all[r]) all[r]->move(t, told[r]);
    }
    return holds();
  }
};
}  // namespace

TEST_CASE("whoever is dialled answers, once, and each knows the other") {
  three ranks;
  ranks.all[2]->dial(0, ranks.t);
  ranks.all[2]->dial(0, ranks.t);
  CHECK(ranks.until([&] { return ranks.all[2]->to(0) && ranks.all[0]->to(2); }, 1));
  ranks.until([] { return false; }, 1);
  CHECK(ranks.told[2].opened_to == std::vector{0});
  CHECK(ranks.told[0].opened_to == std::vector{2});
  CHECK(ranks.told[1].opened_to.empty());
  CHECK_FALSE(ranks.all[2]->restless());

  ranks.all[0]->to(2)->say(heartbeat_kind::beat, 0);
  CHECK(ranks.until([&] { return ranks.told[2].came_from == std::vector{0}; }, 1));
  CHECK(ranks.told[2].kinds == std::vector{heartbeat_kind::beat});

  ranks.all[0]->close_all();
  ranks.all[0].reset();
  CHECK(ranks.until([&] { return ranks.told[2].ended_with == std::vector{0}; }, 1));
  CHECK_FALSE(ranks.all[2]->to(0));
}

TEST_CASE("nobody there is refused, and answers once there is somebody") {
  three ranks;
  ranks.all[1]->close_all();
  ranks.all[1].reset();
  ranks.all[0]->dial(1, ranks.t);
  CHECK(ranks.until([&] { return ranks.all[0]->refused(1); }, 1));
  CHECK(ranks.all[0]->restless());
  ranks.all[0]->stop_dialing(1);
  ranks.until([] { return false; }, 0.1);
  CHECK_FALSE(ranks.all[0]->restless());
  CHECK(ranks.told[0].opened_to.empty());
  CHECK(ranks.told[0].ended_with.empty());
}

TEST_CASE("a rank of another session is no peer") {
  three ranks(2);
  ranks.all[2]->dial(0, ranks.t);
  ranks.all[1]->dial(2, ranks.t);
  ranks.until([] { return false; }, 2);
  for (const events& e : ranks.told) CHECK(e.opened_to.empty());
  CHECK(ranks.all[2]->refused(0));
}

TEST_CASE("a line that was asked for and given up ends no peer") {
  three ranks;
  ranks.all[1]->dial(0, ranks.t);
  ranks.all[1]->move(ranks.t, ranks.told[1]);  // connected by the kernel, perhaps greeted
  ranks.all[1]->stop_dialing(0);
  ranks.until([] { return false; }, 1);
  CHECK(ranks.told[0].ended_with.empty());
}

TEST_CASE("strangers are dropped after a second, and too many at once") {
  three ranks;
  const detail::address at = reach::loopback.with_port(ranks.ports[0]);
  std::vector<detail::socket> strangers;
  for (int i = 0; i < 200; ++i) {
    strangers.push_back(detail::open_socket(at));
    ::connect(strangers.back().descriptor(), at.get(), at.length);
  }
  const auto dropped = [&] {
    std::size_t n = 0;
    char byte;
    for (const detail::socket& s : strangers) n += ::recv(s.descriptor(), &byte, 1, 0) == 0;
    return n;
  };
  ranks.until([] { return false; }, 0.1);
  CHECK(dropped() >= 200 - (64 + 4 * 3));
  CHECK(dropped() < 200);
  // One that belongs here comes in once they are gone.
  CHECK(ranks.until([&] { return dropped() == 200; }, 1.5));
  ranks.all[2]->dial(0, ranks.t);
  CHECK(ranks.until([&] { return ranks.all[0]->to(2) != nullptr; }, 1));
}
