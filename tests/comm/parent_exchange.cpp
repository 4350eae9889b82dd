#include <tutti/comm/parent_exchange.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/launch/threads.hpp>
#include <tutti/transport/loopback.hpp>

#include "../need.hpp"

using namespace tutti;
using tests::need;
using detail::making;

namespace {

template <class Body>
void on_ranks(int ranks, Body body) {
  loopback_fabric::world shared;
  run_threads(ranks, [&](auto& b) {
    session s(b, shared);
    detail::communicator_core core(s, {});
    body(core);
    // Nobody goes before all have come.
    detail::parent_exchange last(core, making::duplicate);
    last.finish();
  });
}

std::vector<std::byte> letter(int rank, std::size_t length) {
  return std::vector<std::byte>(length, static_cast<std::byte>(rank + 1));
}

}  // namespace

TEST_CASE("every rank gets what each said, of any length") {
  for (int ranks : {1, 2, 5})
    CHECK_NOTHROW(on_ranks(ranks, [&](detail::communicator_core& core) {
      detail::parent_exchange all(core, making::split);
      auto length = [](int rank, std::size_t round) { return (round + static_cast<std::size_t>(rank) * 7) * round * 40; };
      for (std::size_t round = 0; round < 6; ++round) {
        const contributions said = all.all_gather(letter(core.me, length(core.me, round)));
        need(said.size() == static_cast<std::size_t>(ranks), "not all");
        for (int r = 0; r < ranks; ++r) need(said[static_cast<std::size_t>(r)] == letter(r, length(r, round)), "something else");
      }
      for (std::size_t edge : {239u, 240u, 241u}) need(all.all_gather(letter(core.me, edge))[0] == letter(0, edge), "an edge");
      all.finish();
    }));
}

TEST_CASE("groups may need different numbers of rounds, and a rank none") {
  CHECK_NOTHROW(on_ranks(5, [](detail::communicator_core& core) {
    detail::parent_exchange part(core, making::split);
    const std::vector<int> odd{3, 1}, even{0, 4};  // and 2 in none
    const std::vector<int> mine = core.me == 2 ? std::vector<int>{} : core.me % 2 ? odd : even;
    part.confine(mine);
    for (int round = 0; round < (core.me == 2 ? 0 : core.me % 2 ? 4 : 1); ++round) {
      const contributions said = part.all_gather(letter(core.me, 300));
      need(said.size() == 2, "not this group");
      for (std::size_t i = 0; i < 2; ++i) need(said[i] == letter(mine[i], 300), "another order");
    }
    part.finish();
  }));
}

TEST_CASE("what fails on one rank fails on all, whatever round they are in, and the parent goes on") {
  std::atomic<int> told{0};
  CHECK_NOTHROW(on_ranks(4, [&](detail::communicator_core& core) {
    const std::string reason(300, 'x');
    try {
      detail::parent_exchange part(core, making::split);
      part.confine(core.me < 2 ? std::vector<int>{0, 1} : std::vector<int>{2, 3});
      if (core.me == 1) {
        part.fail(error(errc::link, reason, 1));
        part.fail(error(errc::link, "not the first", 1));
        ++told;
        return;
      }
      if (core.me == 0) static_cast<void>(part.all_gather(letter(0, 5)));
      part.finish();
    } catch (const error& e) {
      told += e.code() == errc::link && e.rank() == 1 && e.what() == reason.substr(0, 232);
    }
  }));
  CHECK(told == 4);
}

TEST_CASE("a rank that makes something else is named by all, and the parent stays as good as it was") {
  std::atomic<int> told{0};
  CHECK_NOTHROW(on_ranks(3, [&](detail::communicator_core& core) {
    try {
      detail::parent_exchange part(core, core.me == 2 ? making::subset : making::split);
      part.finish();
    } catch (const error& e) {
      told += e.code() == errc::mismatch && e.rank() == 2 &&
              e.what() == std::string("ranks called different things: rank 0 called split, rank 2 called subset");
    }
    detail::parent_exchange again(core, making::split);
    const contributions all = again.all_gather(letter(core.me, 2));
    again.finish();
    told += all.size() == 3;
  }));
  CHECK(told == 6);
}
