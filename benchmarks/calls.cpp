// What ways of calling cost, as ratios in one run, the ways in turns: a
// persistent all-reduce or broadcast over a plain one of 8 bytes, one grouped call over
// 32 calls of 4 KiB, and 32 of them, or broadcasts, issued as one over 32 that are not;
// what a message between the first two ranks takes; and a reproducible sum over a plain
// one, of 8 bytes and of 16 KiB element by element, and of an array of 256 KiB on each rank.
//
//     calls --ranks 2 [ROUNDS]
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/tutti.hpp>

#include "samples.hpp"

namespace {

// The median of what a call of each takes, in microseconds.
template <class... Calls>
std::vector<double> medians(tutti::communicator& world, int rounds, Calls&... calls) {
  constexpr int at_once = 100;
  std::vector<std::vector<double>> samples(sizeof...(Calls));
  for (int round = -1; round < rounds; ++round) {
    std::size_t which = 0;
    auto time = [&](auto& call) {
      tutti::barrier(world);
      const double begun = tutti::now();
      for (int i = 0; i < at_once; ++i) call();
      if (round >= 0) samples[which].push_back(1e6 * (tutti::now() - begun) / at_once);
      ++which;
    };
    (time(calls), ...);
  }
  std::vector<double> middle;
  for (const auto& s : samples) middle.push_back(benchmarks::summarise(s).median);
  return middle;
}

}  // namespace

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 100;
    if (rounds < 1) throw tutti::error(tutti::errc::invalid_argument, "calls: ROUNDS is a number from 1");
    std::vector<float> two(2, 1);
    auto plain = [&] { tutti::all_reduce(world, two, tutti::maximum{}); };
    tutti::persistent kept([&] { return tutti::all_reduce_async(world, two, tutti::maximum{}); });
    auto persistent = [&] {
      kept.start();
      kept.wait();
    };
    const auto one = medians(world, rounds, plain, persistent);
    auto plain_broadcast = [&] { tutti::broadcast(world, two, 0); };
    tutti::persistent kept_broadcast([&] { return tutti::broadcast_async(world, two, 0); });
    auto persistent_broadcast = [&] {
      kept_broadcast.start();
      kept_broadcast.wait();
    };
    const auto rooted = medians(world, rounds, plain_broadcast, persistent_broadcast);

    std::vector<std::vector<float>> tensors(32, std::vector<float>(1024, 1));
    tutti::grouped<float> group;
    for (auto& t : tensors) group.add(t);
    auto apart = [&] {
      for (auto& t : tensors) tutti::all_reduce(world, t, tutti::maximum{});
    };
    auto together = [&] { tutti::all_reduce(world, group, tutti::maximum{}); };
    auto one_by_one = [&] { tutti::together(world, apart); };
    const auto many = medians(world, rounds, apart, together, one_by_one);

    auto broadcasts = [&] {
      for (auto& t : tensors) tutti::broadcast(world, t, 0);
    };
    auto as_one = [&] { tutti::together(world, broadcasts); };
    const auto several = medians(world, rounds, broadcasts, as_one);

    const int peer = 1 - world.rank();
    auto there_and_back = [&] {
      if (peer == 1) send(world, two, peer);
      if (peer == 1 || peer == 0) recv(world, two, peer);
      if (peer == 0) send(world, two, peer);
    };
    const double half = world.size() > 1 ? medians(world, rounds, there_and_back)[0] / 2 : 0;

    std::vector<float> block(4096, 1), of_all(4096);
    auto sum_two = [&] { tutti::all_reduce(world, two, two, tutti::plus{}); };
    auto reproducible_two = [&] { tutti::reproducible_sum(world, two, two); };
    auto sum_block = [&] { tutti::all_reduce(world, block, of_all, tutti::plus{}); };
    auto reproducible_block = [&] { tutti::reproducible_sum(world, block, of_all); };
    std::fill(two.begin(), two.end(), 0.0f);
    const auto sums = medians(world, rounds, sum_two, reproducible_two);
    const auto blocks = medians(world, (rounds + 9) / 10, sum_block, reproducible_block);
    std::vector<float> array(65536, 1);
    double total = 0;
    auto sum_array = [&] {
      float mine[8] = {};
      for (std::size_t i = 0; i < array.size(); ++i) mine[i % 8] += array[i];
      float sum = 0;
      for (const float part : mine) sum += part;
      tutti::all_reduce(world, tutti::span<float>(&sum, 1), tutti::plus{});
      total += sum;
    };
    auto reproducible_array = [&] { total += tutti::reproducible_sum(world, array); };
    const auto arrays = medians(world, (rounds + 9) / 10, sum_array, reproducible_array);
    if (total <= 0) throw tutti::error(tutti::errc::rank_failed, "calls: a sum of ones is not positive", world.rank());
    if (world.rank() == 0)
      std::printf("8 bytes:      plain %8.2f us, persistent %8.2f us, ratio %.2f\n"
                  "   broadcast: plain %8.2f us, persistent %8.2f us, ratio %.2f\n"
                  "32 x 4 KiB:   apart %8.2f us, grouped    %8.2f us, ratio %.2f\n"
                  "              together %5.2f us, ratio %.2f\n"
                  "32 broadcasts: apart %7.2f us, together   %8.2f us, ratio %.2f\n"
                  "8 bytes:      message %6.2f us, half a round trip\n"
                  "sum of 8 bytes, each: plain %8.2f us, reproducible %8.2f us, ratio %.2f\n"
                  "  of 16 KiB, each:    plain %8.2f us, reproducible %8.2f us, ratio %.2f\n"
                  "  of 256 KiB, one:    plain %8.2f us, reproducible %8.2f us, ratio %.2f\n",
                  one[0], one[1], one[1] / one[0], rooted[0], rooted[1], rooted[1] / rooted[0], many[0], many[1], many[1] / many[0], many[2], many[2] / many[0], several[0],
                  several[1], several[1] / several[0], half, sums[0], sums[1], sums[1] / sums[0], blocks[0], blocks[1], blocks[1] / blocks[0], arrays[0],
                  arrays[1], arrays[1] / arrays[0]);
  });
}
