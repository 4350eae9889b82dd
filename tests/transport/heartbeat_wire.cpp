#include <tutti/transport/heartbeat_wire.hpp>

#include <doctest/doctest.h>

namespace {
using tutti::detail::heartbeat_frame, tutti::detail::heartbeat_kind, tutti::detail::heartbeat_line,
    tutti::detail::session_secret, tutti::detail::transfer;
namespace detail = tutti::detail;

struct both_ends {
  session_secret secret = session_secret::fresh();
  int ends[2] = {-1, -1};
  both_ends() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0); }
  heartbeat_line line(int end, const session_secret& s) {
    return heartbeat_line(detail::socket(ends[end]), s, heartbeat_line::stage::open, 1, 5);
  }
};
}  // namespace

TEST_CASE("secrets differ between sessions") {
  const session_secret a = session_secret::fresh(), b = session_secret::fresh();
  CHECK(a == a);
  CHECK_FALSE(a == b);
  CHECK_FALSE(a == session_secret{{a.words[0], a.words[1] ^ 1}});
}

TEST_CASE("frames arrive one by one, with what stands behind them") {
  both_ends pair;
  heartbeat_line from = pair.line(0, pair.secret), to = pair.line(1, pair.secret);
  const std::uint64_t behind[] = {4, 5, 6};
  from.say(heartbeat_kind::beat, 3);
  from.say(heartbeat_kind::stuck, 3, 17);
  from.say(heartbeat_kind::left, 3, 0, tutti::bytes_of(behind));
  CHECK(to.read(64, 6) == transfer::later);
  CHECK(to.heard == 5);
  from.flush();
  CHECK_FALSE(from.has_more_to_say());
  REQUIRE(to.read(64, 7) == transfer::moved);
  CHECK(to.heard == 7);
  CHECK(to.frame.kind == heartbeat_kind::beat);
  CHECK(to.frame.rank == 3);
  CHECK(to.payload.empty());
  REQUIRE(to.read(64, 7) == transfer::moved);
  CHECK(to.frame.operation == 17);
  REQUIRE(to.read(64, 7) == transfer::moved);
  REQUIRE(to.payload.size() == sizeof behind);
  CHECK(std::memcmp(to.payload.data(), behind, sizeof behind) == 0);
  CHECK(to.read(64, 7) == transfer::later);
  from.close();
  CHECK(to.read(64, 7) == transfer::closed);
}

TEST_CASE("a frame that comes in parts is one frame") {
  both_ends pair;
  heartbeat_line to = pair.line(1, pair.secret);
  const detail::socket from(pair.ends[0]);
  const heartbeat_frame f{.secret = pair.secret, .kind = heartbeat_kind::left, .rank = 2, .length = 2};
  const auto* bytes = reinterpret_cast<const char*>(&f);
  for (std::size_t i = 0; i < sizeof f; ++i) {
    REQUIRE(::send(from.descriptor(), bytes + i, 1, MSG_NOSIGNAL) == 1);
    CHECK(to.read(64, 6) == transfer::later);
  }
  for (bool last : {false, true}) {
    REQUIRE(::send(from.descriptor(), "x", 1, MSG_NOSIGNAL) == 1);
    CHECK(to.read(64, 6) == (last ? transfer::moved : transfer::later));
  }
}

TEST_CASE("what is no frame of this session ends the line") {
  const auto outcome = [](auto change) {
    both_ends pair;
    heartbeat_line to = pair.line(1, pair.secret);
    const detail::socket from(pair.ends[0]);
    heartbeat_frame f{.secret = pair.secret};
    change(f);
    REQUIRE(::send(from.descriptor(), &f, sizeof f, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof f));
    return to.read(64, 6);
  };
  CHECK(outcome([](heartbeat_frame&) {}) == transfer::moved);
  CHECK(outcome([](heartbeat_frame& f) { f.magic ^= 1; }) == transfer::closed);
  CHECK(outcome([](heartbeat_frame& f) { f.secret.words[1] ^= 1; }) == transfer::closed);
  CHECK(outcome([](heartbeat_frame& f) { f.length = 65; }) == transfer::closed);
  CHECK(outcome([](heartbeat_frame& f) { f.length = 64; }) == transfer::later);
}
