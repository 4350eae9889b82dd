#include <tutti/comm/device_messages.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

#include "device_cases.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using device_cases::fake;
using host_device::device;

TEST_CASE("every collective by messages gives what the host's gives: in pieces and whole, in place and not, in any order of operands that counts") {
  const unsigned seed = std::random_device{}() % 1000000;
  MESSAGE("seed " << seed);
  for (int p : {1, 2, 3, 4, 5}) {
    CAPTURE(p);
    thread_ranks::run(p, [&](communicator& world) { device_cases::check_all(world, seed + static_cast<unsigned>(p), memory_kind::host); });
  }
}

TEST_CASE("what a rank reads of others is copied to places of its own, before it reads it, and what stands side by side as one run") {
  constexpr std::size_t grain = 4, n = 37;
  for (int p : {2, 3, 5, 8})
    for (collective what : every_collective)
      for (algorithm how : every_algorithm) {
        if (what == collective::barrier || !find_entry(what, how)) continue;
        CAPTURE(p);
        CAPTURE(name_of(what));
        CAPTURE(name_of(how));
        std::vector<schedule> team_of;
        for (int r = 0; r < p; ++r) team_of.push_back(make_schedule(what, how, {.size = p}, {r}, {p - 1}));
        const std::vector<pull_program> programs = pull_programs(team_of, what, {p - 1}, n, grain, false);
        for (int r = 0; r < p; ++r) {
          const pull_program& program = programs[static_cast<std::size_t>(r)];
          const detail::arrivals all(program, r, grain);
          std::size_t end = program.arena;
          for (const detail::arrival& a : all.runs) {
            REQUIRE(a.at == end);  // behind the arena, and behind one another
            end += (a.elements + grain - 1) / grain * grain;
            REQUIRE(a.owner != r);
            REQUIRE(a.phase > 0);
            REQUIRE(a.from + a.elements <= programs[static_cast<std::size_t>(a.owner)].arena);
          }
          REQUIRE(all.elements == end);
          for (std::size_t phase = 0; phase + 1 < program.phase_begin.size(); ++phase)
            for (std::uint32_t k = program.phase_begin[phase]; k < program.phase_begin[phase + 1]; ++k)
              for (std::uint32_t i = 0; i < program.pulls[k].count; ++i) {
                const pull_place &theirs = program.operands[program.pulls[k].first + i], &here = all.operands[program.pulls[k].first + i];
                if (theirs.memory != pull_memory::arena) continue;
                REQUIRE(here.which == 0);
                if (theirs.which == r) {
                  REQUIRE(here.offset == theirs.offset);
                  continue;
                }
                int found = 0;
                for (const detail::arrival& a : all.runs)
                  found += a.owner == theirs.which && a.phase <= phase && a.from <= theirs.offset && theirs.offset + program.pulls[k].elements <= a.from + a.elements &&
                           here.offset - a.at == theirs.offset - a.from;
                REQUIRE(found == 1);
              }
        }
      }
  // Of all chunks of one peer, one message.
  std::vector<schedule> team_of;
  for (int r = 0; r < 4; ++r) team_of.push_back(make_schedule(collective::all_reduce, algorithm::one_shot, {.size = 4}, {r}, {0}));
  const std::vector<pull_program> programs = pull_programs(team_of, collective::all_reduce, {0}, 1000, grain, false);
  CHECK(detail::arrivals(programs[1], 1, grain).runs.size() == 3);
}

TEST_CASE("nothing is sent before the stream has written it, and nothing is read before it has come, however late a stream is") {
  for (int late : {0, 1}) {
    CAPTURE(late);
    thread_ranks::run(2, [&](communicator& world) {
      fake there(world, device{}, {.window_bytes = 2048, .prefer_messages = true});
      host_device::stream stream;
      for (int again = 0; again < 3; ++again) {
        std::vector<int> x(1000, 7), sum(1000, -1);
        // It comes to what is before the call only once the other rank has called.
        if (world.rank() == late) stream.hold_after(0);
        stream.give([&] { x.assign(1000, world.rank() + 1 + again); });
        std::atomic<bool> returned{false};
        std::thread later([&] {
          for (int k = 0; k < 5000 && !returned; ++k) std::this_thread::yield();
          stream.release();
        });
        all_reduce(there, x, sum, plus{}, &stream);
        returned = true;
        later.join();
        stream.wait();
        if (sum != std::vector<int>(1000, 3 + 2 * again)) throw std::logic_error("wrong sum");
      }
      there.close();
    });
  }
}

TEST_CASE("where messages do not move the memory of one rank's device, all know, and by the same sentence") {
  const std::string threads = "ranks that are threads of one process exchange no messages of device memory";
  for (memory_kind kind : {memory_kind::cuda, memory_kind::as_cuda})
    thread_ranks::run(3, [&](communicator& world) {
      const auto says = [&](const std::string& said, const std::string& want) {
        if (said != want) throw std::logic_error("says: " + said);
      };
      const device away{.fault = "no way there", .messages_move = kind}, here{.fault = "no way there"};
      fake there(world, world.rank() == 1 ? away : here);
      says(there.why_not_messages(), "rank 1: " + threads);
      says(there.why_staged(), "rank 0: no way there");
      says(name_of(there.way_of<int, plus>(collective::all_reduce, 1 << 24)), "staging");
      try {
        fake preferred(world, world.rank() == 1 ? away : here, {.prefer_messages = world.rank() == 2});
        throw std::logic_error("made");
      } catch (const error& e) {
        if (e.code() != errc::not_supported) throw;
        says(e.what(), "a device communicator is to prefer messages, and cannot: rank 1: " + threads);
      }
      fake asked(world, here, {.staged = world.rank() == 2});
      says(asked.why_not_messages(), "rank 2: asked to");
      fake direct(world, device{});
      says(direct.why_not_messages(), "rank 0: devices read each other's memory");
    });
}

TEST_CASE("memory that the host does not touch is refused by links that would") {
  thread_ranks::run(2, [](communicator& world) {
    std::byte place[8];
    const message_call call{.sends = true, .peer = 1 - world.rank(), .data = place, .count = 8, .memory = memory_kind::as_cuda};
    try {
      world.post({&call, 1});
    } catch (const error& e) {
      if (e.code() == errc::invalid_argument &&
          e.what() == format("rank %d: send: no message link joins rank %d, and no other moves memory of kind as_cuda", world.rank(), 1 - world.rank()))
        return;
      throw;
    }
    throw std::logic_error("taken");
  });
}

TEST_CASE("between messages and the host each call takes what costs less, and a graph takes neither") {
  thread_ranks::run(2, [](communicator& world) {
    fake there(world, device{.fault = "no way there"});
    if (!there.why_not_messages().empty()) throw std::logic_error(there.why_not_messages());
    if (there.way_of<int, plus>(collective::all_reduce, 1) != device_way::staging) throw std::logic_error("a short call goes another way");
    if (there.way_of<int, plus>(collective::all_reduce, 1 << 24) != device_way::messages) throw std::logic_error("a long call goes another way");
    host_device::graph graph;
    host_device::stream stream;
    int x = world.rank();
    stream.record_into(&graph);
    std::string why;
    try {
      all_reduce(there, span<int>(&x, 1), plus{}, &stream);
    } catch (const error& e) {
      why = e.what();
    }
    stream.record_into(nullptr);
    if (why != "rank 0: all_reduce is recorded into a graph, and data goes by messages (rank 0: no way there)") throw std::logic_error("says: " + why);
    all_reduce(there, span<int>(&x, 1), plus{}, &stream);
    stream.wait();
    if (x != 1) throw std::logic_error("wrong sum");
    there.close();
  });
}
