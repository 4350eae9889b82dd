#include <tutti/comm/shared_arena.hpp>

#include <doctest/doctest.h>

#include <thread>
#include <utility>
#include <vector>

#include "host_device.hpp"

using arena = tutti::detail::shared_arena<host_device::device>;

TEST_CASE("an arena stays until the last rank has let go of it, whichever that is, on whatever thread") {
  for (int last = 0; last < 3; ++last) {
    arena own(host_device::device{}.take(100), 3);
    const std::byte* const at = own->memory.data();
    std::vector<arena> all;
    for (int r = 1; r < 3; ++r) all.emplace_back(own.address());
    all.insert(all.begin(), std::move(own));
    std::swap(all[static_cast<std::size_t>(last)], all.back());
    for (std::size_t i = 0; i < 2; ++i) {
      std::thread([gone = std::move(all[i])] {}).join();
      CHECK(host_device::memories.device_of(at) == 0);
    }
    CHECK(all.back()->memory.size() == 100);
    all.pop_back();
    CHECK(host_device::memories.device_of(at) == -1);
  }
}

TEST_CASE("what ranks of other processes would hold is given back for them; what is kept stays") {
  arena own(host_device::device{}.take(100), 3);
  const std::byte* const at = own->memory.data();
  own.not_held_by(2);
  own = {};
  CHECK(host_device::memories.device_of(at) == -1);
  arena kept(host_device::device{.number = 1}.take(100), 1);
  arena::contents* const of = kept.address();
  kept.keep();
  CHECK(kept.address() == nullptr);
  kept = {};
  CHECK(host_device::memories.device_of(of->memory.data()) == 1);
  arena back(of);  // for the sake of those who look for what was lost
}
