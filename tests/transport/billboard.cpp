#include <tutti/transport/billboard.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>

#include <sched.h>

#include "boards.hpp"

using namespace tutti;

namespace {

call numbered(std::uint64_t number) { return {.number = number}; }

}  // namespace

TEST_CASE("what is shown is seen in its round by all, with its call, and not before") {
  boards w(3);
  billboard each[3] = {w.of(0), w.of(1), w.of(2)};
  for (std::uint64_t round = 1; round <= 5; ++round)
    for (std::size_t bytes : {std::size_t{0}, std::size_t{7}, slot_head::carried, slot_head::carried + 1, billboard::most_bytes()}) {
      const call what = numbered(round);
      std::vector<std::byte> data(bytes, static_cast<std::byte>(round));
      for (int me = 0; me < 3; ++me) {
        each[me].show({{data.data(), bytes / 3}, {}, {data.data() + bytes / 3, bytes - bytes / 3}}, {.fingerprint = 10 * round, .what = &what});
        for (int peer = 0; peer < 3; ++peer) {
          const auto seen = each[me].seen(peer);
          REQUIRE(seen.has_value() == (peer <= me));
          if (!seen) continue;
          CHECK(seen->bytes == bytes);
          CHECK(std::memcmp(seen->data, data.data(), bytes) == 0);
          CHECK(seen->from.fingerprint == 10 * round);
          CHECK(seen->from.what->number == round);
        }
      }
    }
}

TEST_CASE("a member may be a round ahead, and what it showed before is still there") {
  boards w(2);
  billboard here = w.of(0), there = w.of(1);
  const call what = numbered(1);
  const int first = 1, second = 2;
  auto show = [&](billboard& by, const int& value) { by.show({{reinterpret_cast<const std::byte*>(&value), sizeof value}}, {.fingerprint = 1, .what = &what}); };
  auto seen = [](billboard& by, int member) {
    int value = 0;
    if (const auto p = by.seen(member)) std::memcpy(&value, p->data, sizeof value);
    return value;
  };
  show(here, first);
  show(there, first);
  CHECK(seen(there, 0) == first);
  show(there, second);
  CHECK(seen(here, 1) == first);
  show(here, second);
  CHECK(seen(here, 1) == second);
}

TEST_CASE("threads that sleep are woken, and nobody reads what is shown a round later") {
  constexpr int members = 3, rounds = 2000;
  boards w(members);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int me = 0; me < members; ++me)
    threads.emplace_back([&, me] {
      billboard mine = w.of(static_cast<std::size_t>(me));
      const call what = numbered(1);
      std::vector<int> data(64);
      for (int round = 0; round < rounds; ++round) {
        for (int& x : data) x = round * members + me;
        mine.show({{reinterpret_cast<const std::byte*>(data.data()), data.size() * sizeof(int)}}, {.fingerprint = 1, .what = &what});
        mine.ring();
        for (int peer = 0; peer < members; ++peer) {
          while (!mine.seen(peer)) w.bells[static_cast<std::size_t>(me)].sleep(1, [&] { return mine.seen(peer).has_value(); });
          const auto* theirs = reinterpret_cast<const int*>(mine.seen(peer)->data);
          for (std::size_t i = 0; i < data.size(); ++i) wrong += theirs[i] != round * members + peer;
        }
      }
    });
  for (std::thread& t : threads) t.join();
  CHECK(wrong == 0);
}
