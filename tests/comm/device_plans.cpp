#include <tutti/comm/device_plans.hpp>

#include <doctest/doctest.h>

#include "cases.hpp"
#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using plans = detail::device_plans<host_device::device, int>;

TEST_CASE("no program is longer than what is kept for one: every algorithm, up to as many ranks as a kernel knows") {
  for (int p : {1, 2, 3, 5, 8, 13, 31, 32}) {
    CAPTURE(p);
    const team all{.size = p};
    for (collective what : every_collective)
      for (algorithm how : every_algorithm) {
        if (what == collective::barrier || !find_entry(what, how)) continue;
        CAPTURE(name_of(what));
        CAPTURE(name_of(how));
        std::vector<schedule> team_of;
        for (int r = 0; r < p; ++r) team_of.push_back(make_schedule(what, how, all, {r}, {p - 1}));
        std::size_t most = 0;
        for (const pull_program& program : pull_programs(team_of, what, {p - 1}, 1000, 4, false))
          most = std::max(most, program.pulls.size() * sizeof(pull) + program.operands.size() * sizeof(pull_place) + 16);
        CHECK(most <= plans::table_bytes(p));
      }
  }
}

TEST_CASE("a piece is as large as fits, and a grain that does not fit is refused") {
  thread_ranks::run(3, [](communicator& world) {
    const std::vector<int> in(10000);
    std::vector<int> out(10000);
    const auto call = detail::with_algorithm(world, device_call<int, plus>{.what = collective::all_reduce, .input = in.data(), .output = out.data(), .count = 10000, .input_blocks = 1, .output_blocks = 1});
    const auto used = [](const std::vector<pull_program>& all) {
      std::size_t most = 0;
      for (const pull_program& p : all) most = std::max(most, p.arena);
      return most;
    };
    const auto whole = detail::programs_within(std::size_t{1} << 20, world, call, 10000, used), some = detail::programs_within(4096, world, call, 10000, used);
    if (whole.elements != 10000 || whole.programs.size() != 3) throw std::logic_error("cut though it fits");
    if (some.elements >= 10000 || some.elements < 900 || used(some.programs) * sizeof(int) > 4096) throw std::logic_error(format("a piece of %zu", some.elements));
    try {
      detail::programs_within(8, world, call, 10000, used);
      throw std::logic_error("a grain fits into nothing");
    } catch (const error& e) {
      if (e.code() != errc::invalid_argument || std::string(e.what()).find("give more window_bytes") == std::string::npos) throw;
    }
  });
}

TEST_CASE("a call gets an algorithm where it names none, and one that it cannot be done by is refused") {
  thread_ranks::run(4, [](communicator& world) {
    const auto refused = [&](auto call, const char* why) {
      try {
        detail::with_algorithm(world, call);
      } catch (const error& e) {
        if (e.code() == errc::invalid_argument && std::string(e.what()).find(why) != std::string::npos) return;
        throw;
      }
      throw std::logic_error(format("taken: %s", why));
    };
    if (detail::with_algorithm(world, device_call<int, plus>{.what = collective::all_reduce, .count = 3}).algorithm != algorithm::one_shot)
      throw std::logic_error("another algorithm");
    refused(device_call<int, plus>{.what = collective::all_gather, .algorithm = algorithm::two_shot}, "all_gather is not done by two_shot");
    refused(device_call<cases::affine, cases::compose>{.what = collective::all_reduce, .algorithm = algorithm::ring}, "needs an operation that is commutative");
  });
}

TEST_CASE("a program is made once for a shape, and the one that was used longest ago makes room") {
  thread_ranks::run(1, [](communicator& world) {
    plans all({}, 1);
    int made = 0;
    struct result {
      pull_program program;
      std::size_t elements;
      int more;
    };
    const int in[9] = {};
    int out[9];
    const device_call<int, plus> call{.what = collective::all_reduce, .input = in, .output = out, .count = 9, .algorithm = algorithm::one_shot, .input_blocks = 1, .output_blocks = 1};
    const auto find = [&](std::size_t left) -> plans::plan& {
      return all.find(world, call, left, [&]() -> result {
        pull_program of_one_phase;
        of_one_phase.phase_begin = {0, 0};
        return {of_one_phase, left, ++made};
      });
    };
    for (int again : {0, 1})
      for (std::size_t left = 1; left <= plans::most; ++left)
        if (const auto& p = find(left); p.more != static_cast<int>(left) || p.piece != left || p.phases() != 1) throw std::logic_error(format("another one, time %d", again));
    find(1);
    if (find(plans::most + 1).more != static_cast<int>(plans::most) + 1) throw std::logic_error("not made");
    if (find(1).more != 1) throw std::logic_error("the one that was used just now made room");
    if (find(2).more != static_cast<int>(plans::most) + 2) throw std::logic_error("the oldest was kept");
    find(3).stays = true;
    if (all.staying() != 1) throw std::logic_error("none stays");
  });
}
