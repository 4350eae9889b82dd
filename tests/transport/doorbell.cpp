#include <tutti/transport/doorbell.hpp>

#include <doctest/doctest.h>

#include <thread>

#include <sched.h>

#include <tutti/base/clock.hpp>

using namespace tutti;

TEST_CASE("a sleep ends at its time, at once where the word is another, and at a wake") {
  std::atomic<std::uint32_t> word{5};
  futex_wait(word, 4, 1000);  // would take far longer than any test
  const double begun = now();
  futex_wait(word, 5, 0.02);
  CHECK(now() - begun >= 0.019);  // at least: how much later is the machine's business
  futex_wait(word, 5, 0);

  std::atomic<bool> asleep{false};
  std::thread sleeper([&] {
    asleep = true;
    while (word.load() == 5) futex_wait(word, 5, 1000);
  });
  while (!asleep) ::sched_yield();
  word = 6;
  futex_wake(word);
  sleeper.join();
}

TEST_CASE("work that is found on the way into sleep prevents it") {
  doorbell bell;
  int looked = 0;
  bell.sleep(1000, [&] { return ++looked > 0; });
  CHECK(looked == 1);
  CHECK(bell.state == doorbell::awake);
  bell.sleep(0, [&] { return ++looked < 0; });
  CHECK(looked == 2);
  CHECK(bell.state == doorbell::awake);
}

TEST_CASE("a publisher marks the sleeper as awake, and only then calls the kernel") {
  doorbell bell;
  bell.ring();
  CHECK(bell.state == doorbell::awake);
  bell.state = doorbell::asleep;
  bell.ring();
  CHECK(bell.state == doorbell::awake);
  bell.sleep(1000, [&] {
    bell.wake();  // between its look and its sleep: must not be lost
    return false;
  });
  CHECK(bell.state == doorbell::awake);
}

TEST_CASE("a bell is rung whether its owner has others go through a fence or not") {
  doorbell bell;
  for (std::uint32_t fences : {0u, 1u}) {
    bell.fences_for_all = fences;
    bell.state = doorbell::asleep;
    std::vector<doorbell*> all{&bell};
    doorbell::ring(all);
    CHECK(bell.state == doorbell::awake);
    int looked = 0;
    bell.sleep(1000, [&] { return ++looked > 0; });
    CHECK(looked == 1);
  }
}

TEST_CASE("two that only sleep and ring never miss each other") {
  constexpr std::uint64_t rounds = 20000;
  constexpr double far_away = 60;  // one lost ring, and a round takes this long
  struct side {
    doorbell bell;
    alignas(64) std::atomic<std::uint64_t> said{0};
  } sides[2];
  std::atomic<int> lost{0};
  auto play = [&](int me) {
    side &mine = sides[me], &other = sides[1 - me];
    for (std::uint64_t round = 1; round <= rounds; ++round) {
      // 0 speaks first; 1 answers. What is published is relaxed: the bell orders it.
      auto heard = [&] { return other.said.load(std::memory_order_acquire) >= (me == 0 ? round - 1 : round); };
      while (!heard()) {
        const double begun = now();
        mine.bell.sleep(far_away, heard);
        if (now() - begun > far_away / 2) ++lost;
        if (lost > 0) return;
      }
      mine.said.store(round, std::memory_order_release);
      other.bell.ring();
    }
  };
  std::thread one(play, 0), two(play, 1);
  one.join();
  two.join();
  CHECK(lost == 0);
  CHECK(sides[0].said == rounds);
  CHECK(sides[1].said == rounds);
}
