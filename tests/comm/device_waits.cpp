#include <tutti/comm/device_waits.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "awaited.hpp"

using namespace tutti;
using device_waiting::awaited;

TEST_CASE("what a stream waits for is looked at and given up by whose it is, as long as it is there") {
  device_waits all;
  awaited first(all);
  first.broken = "the first is broken";
  std::thread([&] {
    awaited second(all);
    all.check();  // the other thread's it does not look at
    all.give_up("enough");
    if (second.looks != 1 || second.why != "enough") std::abort();
  }).join();
  CHECK(first.looks == 0);
  CHECK(first.why.empty());
  CHECK_THROWS_WITH_AS(all.check(), "the first is broken", error);
  {
    awaited third(all);
    all.give_up("enough");
    CHECK(third.why == "enough");
  }
  CHECK(first.why == "enough");
  all.give_up("once more");
  CHECK(first.why == "once more");
}

TEST_CASE("several are given up together: all have begun before the first is, and none ends before the last") {
  struct diary final : device_wait {
    diary(device_waits& among, std::string& words, char name) : all(among), said(words), letter(name) { all.add(*this); }
    ~diary() { all.remove(*this); }
    void check() const override {}
    void give_up(const std::string&) override { said += letter; }
    void begin_together() override { said += '('; }
    void end_together() override { said += ')'; }
    device_waits& all;
    std::string& said;
    char letter;
  };
  device_waits all;
  std::string said;
  diary a(all, said, 'a'), b(all, said, 'b');
  all.give_up("enough");
  CHECK(said == "((ab))");
}

TEST_CASE("while one thread gives up what is its own, another may, and needs to") {
  struct waits_for final : device_wait {
    waits_for(device_waits& among, std::atomic<bool>& other, std::atomic<bool>& mine) : all(among), theirs(other), own(mine) { all.add(*this); }
    ~waits_for() { all.remove(*this); }
    void check() const override {}
    // As what waits for a device does on which the other one's still runs.
    void give_up(const std::string&) override {
      own = true;
      while (!theirs) std::this_thread::yield();
    }
    device_waits& all;
    std::atomic<bool>&theirs, &own;
  };
  device_waits all;
  std::atomic<bool> first{false}, second{false};
  std::thread other([&] {
    waits_for w(all, first, second);
    all.give_up("enough");
  });
  {
    waits_for w(all, second, first);
    all.give_up("enough");
  }
  other.join();
  CHECK(first);
  CHECK(second);
}
