#include <tutti/kernel/recorded_work.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "far_machine.hpp"

using namespace tutti;

namespace {

using machine = far_machine::away;

// What was done, a letter each, by the host and by a device.
struct diary {
  machine::context c{};
  std::string done{};

  void on_device(char letter) {
    c.run([this, letter] { done += letter; });
  }
  void on_host(char letter) {
    c.on_host([this, letter] {
      c.wait();
      done += letter;
    });
  }
};

}  // namespace

TEST_CASE("work is replayed in the order in which it was given, the host's in its place") {
  diary l;
  auto work = [&] {
    l.on_device('a'), l.on_device('b');
    l.on_host('C'), l.on_host('D');
    l.on_device('e');
    l.on_host('F');
  };
  work();
  l.c.wait();
  CHECK(l.done == "abCDeF");
  l.done.clear();
  recorded_work<machine> r;
  CHECK(!r.recorded());
  r.record(l.c, work);
  CHECK(r.recorded());
  l.c.wait();
  CHECK(l.done.empty());
  int& replays = machine::graph::replays();
  replays = 0;
  for (const char* want : {"abCDeF", "abCDeFabCDeF"}) {
    r.replay(l.c);
    l.c.wait();
    CHECK(l.done == want);
  }
  CHECK(replays == 4);  // between C and D there is nothing, nor after F
  // Recorded again, it is what came last.
  l.done.clear();
  r.record(l.c, [&] { l.on_host('X'), l.on_device('y'); });
  r.replay(l.c);
  l.on_device('z');
  l.c.wait();
  CHECK(l.done == "Xyz");
}

TEST_CASE("what throws while it is recorded leaves nothing, and the context as it was") {
  diary l;
  recorded_work<machine> r;
  r.record(l.c, [&] { l.on_device('a'); });
  auto fails = [&](auto body) {
    try {
      r.record(l.c, body);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(fails([&] {
          l.on_device('b'), l.on_host('C'), l.on_device('d');
          throw std::runtime_error("no more");
        }) == "no more");
  CHECK(!r.recorded());
  CHECK(fails([&] { l.on_host('E'), l.c.wait(); }) == "the host waits in the midst of work that is recorded");
  CHECK(!r.recorded());
  r.replay(l.c);
  l.on_device('f'), l.on_host('G');
  CHECK(l.done == "fG");
}

TEST_CASE("what the host does may throw when it is replayed, and what comes after it is not done then") {
  diary l;
  bool broken = true;
  recorded_work<machine> r;
  r.record(l.c, [&] {
    l.on_device('a');
    l.c.on_host([&] {
      if (broken) throw std::runtime_error("a rank is lost");
    });
    l.on_device('b');
  });
  CHECK_THROWS_WITH(r.replay(l.c), "a rank is lost");
  l.c.wait();
  CHECK(l.done == "a");
  broken = false;
  r.replay(l.c);
  l.c.wait();
  CHECK(l.done == "aab");
}

TEST_CASE("who waits for a context may do so in another way, and what is the host's is done at once where nothing is recorded") {
  diary l;
  int waits = 0;
  l.c.wait_by([&] { ++waits; });
  l.c.wait();
  CHECK(waits == 1);
  l.c.wait_by({});
  l.c.wait();
  CHECK(waits == 1);
  done_on_host(l.c, [&] { ++waits; });
  CHECK(waits == 2);
  struct {
  } never_recorded;
  done_on_host(never_recorded, [&] { ++waits; });
  CHECK(waits == 3);
}
