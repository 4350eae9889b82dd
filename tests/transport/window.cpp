#include <tutti/transport/window.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <set>
#include <string>

#include "processes.hpp"

using namespace tutti;
using processes::need;

namespace {

struct offer {
  arena_place place;
  std::uint64_t address = 0;
  std::uint64_t key_bytes = 0;
};

bool filled(const std::byte* at, std::size_t bytes, int with) {
  for (std::size_t i = 0; i < bytes; ++i)
    if (at[i] != static_cast<std::byte>(with)) return false;
  return true;
}

}  // namespace

TEST_CASE("an arena grows by segments, and what was given back is used again") {
  CHECK(processes::run(1, [](auto&) {
    ucx::context context;
    arena a(context);
    const arena_place first = a.allocate(1), second = a.allocate(64), third = a.allocate(65), fourth = a.allocate(1);
    need(first.segment == 0 && first.offset == 0 && second.offset == 64 && third.offset == 128 && fourth.offset == 256, "places are lines");
    need(reinterpret_cast<std::uintptr_t>(a.at(third)) % 64 == 0, "aligned");
    std::byte* const before = a.at(first);

    const arena_place rest = a.allocate(arena::segment_bytes - 320);
    need(rest.segment == 0, "what fits exactly stays in the segment");
    const arena_place next = a.allocate(64), large = a.allocate(3 * arena::segment_bytes + 1), after = a.allocate(64);
    need(next.segment == 1 && next.offset == 0, "a second segment");
    need(large.segment == 2 && a.segment(2).size() >= 3 * arena::segment_bytes + 1, "a segment of its own");
    need(after.segment == 3, "a segment that is full is left");
    need(a.at(first) == before, "nothing moves");
    for (const arena_place& p : {first, second, fourth, next, after}) std::memset(a.at(p), 0x77, 64);
    std::memset(a.at(third), 0x77, 128);
    std::memset(a.at(large), 0x77, 3 * arena::segment_bytes + 1);

    a.release(third, 65);
    const arena_place same = a.allocate(100);  // as many lines
    need(same.segment == third.segment && same.offset == third.offset, "a hole of that size is used again");
    need(filled(a.at(second), 64, 0x77) && filled(a.at(fourth), 64, 0x77), "its neighbours are not touched");
    a.release(large, 3 * arena::segment_bytes + 1);
    const arena_place other = a.allocate(256);
    need(other.segment == 3, "a hole of another size is not");

    // However often, no memory is lost.
    for (int i = 0; i < 10000; ++i) {
      const arena_place p = a.allocate(100000);
      need(p.segment <= 4, "memory is lost");
      std::memset(a.at(p), 1, 100000);
      a.release(p, 100000);
    }
  }) == 0);
}

TEST_CASE("two processes open each other's arenas, and see what the other stores") {
  CHECK(processes::run(2, [](auto& b) {
    ucx::context context;
    ucx::worker worker(context);
    arena mine(context);
    const int other = 1 - b.rank();
    const contributions addresses = b.all_gather({worker.address().data(), worker.address().size()});
    ucx::endpoint to(worker, addresses[static_cast<std::size_t>(other)], nullptr, nullptr);
    opened_arenas opened;
    const process_watch watch;  // of nobody
    std::vector<std::byte*> theirs, own;
    std::set<std::uint32_t> segments;
    // Several places of a segment, and several segments.
    for (std::size_t bytes : {std::size_t{64}, std::size_t{4096}, arena::segment_bytes, std::size_t{5000}, 2 * arena::segment_bytes}) {
      const arena_place place = mine.allocate(bytes);
      segments.insert(place.segment);
      const ucx::shared_memory& segment = mine.segment(place.segment);
      const std::vector<std::byte> key = segment.key();
      const offer o{place, reinterpret_cast<std::uint64_t>(segment.data()), key.size()};
      std::vector<std::byte> card(sizeof o);
      std::memcpy(card.data(), &o, sizeof o);
      card.insert(card.end(), key.begin(), key.end());
      const contributions cards = b.all_gather({card.data(), card.size()});
      const auto& theirs_bytes = cards[static_cast<std::size_t>(other)];
      offer offered;
      std::memcpy(&offered, theirs_bytes.data(), sizeof offered);
      const std::vector<std::byte> their_key(theirs_bytes.begin() + sizeof(offer), theirs_bytes.end());
      need(their_key.size() == offered.key_bytes, "the key");
      std::byte* at = opened.open(watch, 1, to.get(), offered.place, offered.address, their_key);
      need(at != nullptr, "could not be opened");
      need(at == opened.open(watch, 1, to.get(), offered.place, offered.address, {}), "what is open is not opened again");
      b.all_gather({});
      theirs.push_back(at);
      own.push_back(mine.at(place));
      std::memset(at, 10 + b.rank(), 32);                    // into the other's memory
      std::memset(mine.at(place) + 32, 20 + b.rank(), 32);  // and into one's own
      at[bytes - 1] = static_cast<std::byte>(30 + b.rank());
    }
    need(segments.size() >= 3, "of several segments");
    b.all_gather({});
    for (std::size_t i = 0; i < own.size(); ++i) {
      need(filled(own[i], 32, 10 + other), "what the other stored here");
      need(filled(theirs[i] + 32, 31, 20 + other), "what the other stored there");
    }
    b.all_gather({});

    // Flags and data, both ways: what was stored before a flag is there with it.
    auto& flag_here = *reinterpret_cast<std::atomic<std::uint64_t>*>(own[1]);
    auto& flag_there = *reinterpret_cast<std::atomic<std::uint64_t>*>(theirs[1]);
    if (b.rank() == 0) flag_here = 0, flag_there = 0;
    b.all_gather({});
    for (std::uint64_t round = 1; round <= 5000; ++round) {
      auto listen = [&] {
        while (flag_here.load(std::memory_order_acquire) != round) ::sched_yield();
        for (std::size_t i = 0; i < 16; ++i) need(std::memcmp(own[1] + 64 + 8 * i, &round, 8) == 0, "a flag came before its data");
      };
      if (b.rank() == 1) listen();
      for (std::size_t i = 0; i < 16; ++i) std::memcpy(theirs[1] + 64 + 8 * i, &round, 8);
      flag_there.store(round, std::memory_order_release);
      if (b.rank() == 0) listen();
    }
    b.all_gather({});
  }) == 0);
}

TEST_CASE("memory that is no window is not opened") {
  CHECK(processes::run(1, [](auto&) {
    ucx::context context;
    ucx::worker here(context), there(context);
    ucx::endpoint to(here, there.address(), nullptr, nullptr);
    opened_arenas opened;
    ::setenv("UCX_LOG_LEVEL", "fatal", 1);
    need(opened.open(process_watch(), 0, to.get(), {}, 4096, std::vector<std::byte>(64)) == nullptr, "a key of zeros");
  }) == 0);
}
