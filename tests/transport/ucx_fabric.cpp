#include <tutti/transport/ucx_fabric.hpp>

#include <doctest/doctest.h>

#include <cstdlib>

#include <tutti/transport/ucx_engine.hpp>

#include "processes.hpp"

using namespace tutti;
using processes::need;

namespace {

template <class Bootstrap>
std::string what_it_says(Bootstrap& b, const char* link) {
  ::setenv("TUTTI_LINK", link, 1);
  bootstrap_exchange with(b);
  ucx_fabric fabric(with, b.rank(), b.size(), processes::everyone(b.size()));
  b.all_gather({});
  return fabric.describe();
}

}  // namespace

TEST_CASE("TUTTI_LINK takes a window or a message, and says so") {
  CHECK(processes::run(1, [](auto& b) {
    for (const char* value : {"windows", "Window", "tcp", " message"}) {
      try {
        what_it_says(b, value);
      } catch (const error& e) {
        need(e.code() == errc::invalid_argument && e.rank() == 0, "another code");
        need(e.what() == format("TUTTI_LINK is '%s': it takes window or message", value), e.what());
        continue;
      }
      need(false, value);
    }
    need(what_it_says(b, "") == "UCX: windows to 0 ranks of this host, messages to 0 others", "an empty one is none");
  }) == 0);
}

TEST_CASE("which links there are is found out by both ends, and said") {
  CHECK(processes::run(3, [](auto& b) {
    const std::string near = "UCX: windows to 2 ranks of this host, messages to 0 others",
                      far = "UCX: windows to 0 ranks of this host, messages to 2 others",
                      mixed = "UCX: windows to 1 ranks of this host, messages to 1 others";
    for (const char* link : {"", "window"}) need(what_it_says(b, link) == near, "windows");
    need(what_it_says(b, "message") == far, "messages");
    // One rank takes messages only: the other two still share a window.
    const std::string said = what_it_says(b, b.rank() == 1 ? "message" : "");
    need(said == (b.rank() == 1 ? far : mixed), said);
  }) == 0);
}

TEST_CASE("a window that must work and does not is an error that names the rank") {
  CHECK(processes::run(2, [](auto& b) {
    const rank_home home = rank_home::mine();
    bool refused = false;
    try {
      what_it_says(b, b.rank() == 0 ? "window" : "message");
    } catch (const error& e) {
      const std::string text = e.what();
      refused = b.rank() == 1 || (e.code() == errc::link && e.rank() == 1 &&
                                  text == format("TUTTI_LINK=window, but rank 1 on %s cannot be reached through a window", home.host));
      b.fail(e.what(), 1);  // the other waits for its heartbeats
    }
    need(refused, "not refused");
  }) == 0);
}

TEST_CASE("the first verdict is everybody's") {
  for (const char* link : {"window", "message"}) {
    INFO(std::string(link));
    CHECK(processes::run(3, [&](auto& b) {
      ::setenv("TUTTI_LINK", link, 1);
      bootstrap_exchange with(b);
      ucx_fabric fabric(with, b.rank(), b.size(), processes::everyone(b.size()));
      need(!fabric.board().any(), "a verdict before anything happened");
      b.all_gather({});
      verdict v{.code = errc::rank_failed, .rank = b.rank(), .operation = 5};
      v.say(format("rank %d: a full disk", b.rank()));
      if (b.rank() > 0) fabric.declare(v);
      need(processes::within(20, [&] { return fabric.board().any(); }), "no verdict came");
      const verdict mine = fabric.board().read();
      for (const auto& bytes : b.all_gather(bytes_of(mine))) {
        verdict theirs;
        std::memcpy(&theirs, bytes.data(), sizeof theirs);
        need(theirs.rank == mine.rank && std::strcmp(theirs.text, mine.text) == 0, "not the same everywhere");
      }
      need(mine.rank == 1 || mine.rank == 2, "another's");
      need(std::string(mine.text) == format("rank %d: a full disk", mine.rank), mine.text);
    }) == 0);
  }
}

TEST_CASE("whoever takes over a verdict names the lowest operation of those that survive") {
  CHECK(processes::run(4, [](auto& b) {
    ::setenv("TUTTI_LINK", "window", 1);
    bootstrap_exchange with(b);
    ucx_fabric fabric(with, b.rank(), b.size(), processes::everyone(b.size()));
    constexpr std::uint64_t waits_in[] = {9, 8, 3, 2};
    fabric.open_operation() = waits_in[b.rank()];
    if (b.rank() == 3) fabric.leave();
    b.all_gather({});
    if (b.rank() == 2) {
      static_cast<void>(fabric.board().announce(2));
      b.all_gather({});
      ::_exit(0);  // and never writes it
    }
    b.all_gather({});
    if (b.rank() == 3) return;
    const verdict v = fabric.given();
    need(v.code == errc::rank_died && v.rank == 2, v.text);
    need(v.operation == 8, format("operation %llu", static_cast<unsigned long long>(v.operation)));
  }) == 0);
}
