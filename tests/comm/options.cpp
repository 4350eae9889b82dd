#include <tutti/comm/options.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

using namespace tutti;

namespace {
struct deadline_variable {
  explicit deadline_variable(const char* value) { ::setenv("TUTTI_DEADLINE", value, 1); }
  ~deadline_variable() { ::unsetenv("TUTTI_DEADLINE"); }
};
}  // namespace

TEST_CASE("spinning only where every rank has a core") {
  CHECK(default_waiting(1, 1).spins > 0);
  CHECK(default_waiting(2, 2).spins > 0);
  CHECK(default_waiting(3, 2).spins == 0);
  CHECK(default_waiting(3, 2).yields > 0);
  // A stretch of sleep must leave time to name a dead rank within a second.
  for (int cores : {1, 64}) CHECK(default_waiting(8, cores).stretch <= 0.5);
}

TEST_CASE("TUTTI_DEADLINE sets the deadline, and is refused where it is none") {
  ::unsetenv("TUTTI_DEADLINE");
  CHECK(session_options{}.deadline == 300);
  {
    deadline_variable v("2.5");
    CHECK(session_options{}.deadline == 2.5);
    CHECK(session_options{.deadline = 7}.deadline == 7);  // the program's own word counts
  }
  for (const char* bad : {"soon", "5s", "0", "-1", "nan", "inf", "1e12", "1 2"}) {
    deadline_variable v(bad);
    try {
      session_options o;
      FAIL("'" << bad << "' was taken as " << o.deadline);
    } catch (const error& e) {
      CHECK(e.code() == errc::invalid_argument);
      CHECK(std::string(e.what()) == format("TUTTI_DEADLINE is '%s': it takes a number from 0.01 to 1e+09", bad));
    }
  }
  deadline_variable empty("");
  CHECK(session_options{}.deadline == 300);
}

TEST_CASE("TUTTI_WAITING sets how a rank waits, and is refused where it says nothing of the kind") {
  ::unsetenv("TUTTI_WAITING");
  CHECK_FALSE(session_options{}.waiting);
  auto said = [](const char* text) {
    ::setenv("TUTTI_WAITING", text, 1);
    const waiting_policy p = waiting_from_environment().value_or(waiting_policy{.spins = -1});
    return format("%d %d %g", p.spins, p.yields, p.stretch);
  };
  CHECK(said("200,2000") == "200 2000 0.1");
  CHECK(said("0,0,0.02") == "0 0 0.02");
  CHECK(said("") == "-1 0 0.1");
  for (const char* bad : {"spin", "5", "5,", "5,6,", "5,6,0", "5,6,1", "5,6,nan", "-1,6", "5,-6", "5,6 7", "5,6,0.1s"})
    CHECK_THROWS_WITH_AS(said(bad), format("TUTTI_WAITING is '%s': it takes looks,yields or looks,yields,seconds, these from 0.001 to 0.5", bad).c_str(), error);
  ::unsetenv("TUTTI_WAITING");
}

TEST_CASE("what a call does unless told") {
  CHECK(call_options{}.algorithm == algorithm::automatic);
  CHECK(communicator_options{}.progress == progress::caller);
}
