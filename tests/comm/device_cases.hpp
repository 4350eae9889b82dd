#pragma once
// Every collective on a device's memory, with sizes and contents drawn from a seed, beside
// the host's.
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <tutti/comm/device_collectives.hpp>
#include <tutti/comm/device_uneven.hpp>

#include "cases.hpp"
#include "host_device.hpp"

namespace device_cases {

using namespace tutti;
using fake = device_communicator<host_device::device>;

template <class T>
T drawn(std::mt19937& draw) {
  if constexpr (std::is_same_v<T, cases::affine>) return {static_cast<std::uint32_t>(draw()), static_cast<std::uint32_t>(draw())};
  else return static_cast<T>(draw());
}

/// Of all ranks with the same seed: all of them once, with `op`, in two streams in turns.
template <class T, class Op>
void check(fake& there, communicator& world, host_device::stream& first, host_device::stream& second, std::size_t n, unsigned seed, const Op& op) {
  std::mt19937 alike(seed), own(seed * 64 + static_cast<unsigned>(world.rank()));
  const auto p = static_cast<std::size_t>(world.size()), me = static_cast<std::size_t>(world.rank());
  const int root = static_cast<int>(alike() % p);
  auto filled = [&](std::size_t size) {
    std::vector<T> v(size);
    for (T& x : v) x = drawn<T>(own);
    return v;
  };
  const std::vector<T> in = filled(n), wide = filled(n * p), blank = filled(n), blanks = filled(n * p);
  auto with = [&](const char* name, const std::vector<T>& before, auto on_device, auto on_host) {
    host_device::stream& stream = alike() % 2 ? first : second;
    std::vector<T> got = before, want = before;
    on_device(got, &stream);
    on_host(want);
    stream.wait();
    cases::need(got == want, format("%s, seed %u", name, seed), n, world);
  };
  auto mine = [&](std::vector<T>& v) { return span<T>(v).subspan(me * n, n); };
  with("all_reduce", blank, [&](auto& y, auto s) { all_reduce(there, in, y, op, s); }, [&](auto& y) { all_reduce(world, in, y, op); });
  with("all_reduce, in place", in, [&](auto& y, auto s) { all_reduce(there, y, op, s); }, [&](auto& y) { all_reduce(world, y, op); });
  with("all_reduce by two_shot", blank, [&](auto& y, auto s) { all_reduce(there, in, y, op, s, {.algorithm = algorithm::two_shot}); },
       [&](auto& y) { all_reduce(world, in, y, op); });
  with("all_reduce by tree", blank, [&](auto& y, auto s) { all_reduce(there, in, y, op, s, {.algorithm = algorithm::tree}); },
       [&](auto& y) { all_reduce(world, in, y, op); });
  with("reduce_scatter", blank, [&](auto& y, auto s) { reduce_scatter(there, wide, y, op, s); }, [&](auto& y) { reduce_scatter(world, wide, y, op); });
  {
    // What is left of the other blocks is nobody's.
    std::vector<T> all = wide, want(n);
    reduce_scatter(there, all, mine(all), op, &first);
    reduce_scatter(world, wide, want, op);
    first.wait();
    cases::need(std::equal(want.begin(), want.end(), mine(all).begin()), format("reduce_scatter, in place, seed %u", seed), n, world);
  }
  with("all_gather", blanks, [&](auto& y, auto s) { all_gather(there, in, y, s); }, [&](auto& y) { all_gather(world, in, y); });
  with("all_gather, in place", wide, [&](auto& y, auto s) { all_gather(there, mine(y), y, s); }, [&](auto& y) { all_gather(world, mine(y), y); });
  with("broadcast", in, [&](auto& y, auto s) { broadcast(there, y, root, s); }, [&](auto& y) { broadcast(world, y, root); });
  with("reduce", blank, [&](auto& y, auto s) { reduce(there, in, y, op, root, s); }, [&](auto& y) { reduce(world, in, y, op, root); });
  with("gather", blanks, [&](auto& y, auto s) { gather(there, in, y, root, s); }, [&](auto& y) { gather(world, in, y, root); });
  with("scatter", blank, [&](auto& y, auto s) { scatter(there, wide, y, root, s); }, [&](auto& y) { scatter(world, wide, y, root); });
  with("all_to_all", blanks, [&](auto& y, auto s) { all_to_all(there, wide, y, s); }, [&](auto& y) { all_to_all(world, wide, y); });
  with("all_to_all, in place on some ranks", wide,
       [&](auto& y, auto s) {
         const std::vector<T> copy = y;
         if (own() % 2) all_to_all(there, y, y, s);
         else all_to_all(there, copy, y, s);
         s->wait();
       },
       [&](auto& y) { all_to_all(world, y, y); });
  with("scan", blank, [&](auto& y, auto s) { scan(there, in, y, op, s); }, [&](auto& y) { scan(world, in, y, op); });
  with("exclusive_scan", blank, [&](auto& y, auto s) { exclusive_scan(there, in, y, op, s); }, [&](auto& y) { exclusive_scan(world, in, y, op); });
  // Blocks of some ranks are empty, and others three times as long.
  std::vector<std::size_t> counts;
  for (std::size_t r = 0; r < p; ++r) counts.push_back(alike() % 4 * n);
  const std::size_t all = std::accumulate(counts.begin(), counts.end(), std::size_t{0});
  const std::vector<T> block = filled(counts[me]), vector = filled(all), whole = filled(all), part = filled(counts[me]);
  with("all_gather_v", whole, [&](auto& y, auto s) { all_gather_v(there, block, y, counts, s); }, [&](auto& y) { all_gather_v(world, block, y, counts); });
  with("reduce_scatter_v", part, [&](auto& y, auto s) { reduce_scatter_v(there, vector, y, counts, op, s); },
       [&](auto& y) { reduce_scatter_v(world, vector, y, counts, op); });
  // Every rank sends all others as much as counts say of itself.
  const std::vector<std::size_t> mine_to_all(p, counts[me]);
  const std::vector<T> outgoing = filled(counts[me] * p);
  with("all_to_all_v", whole, [&](auto& y, auto s) { all_to_all_v(there, outgoing, mine_to_all, y, counts, s); },
       [&](auto& y) { all_to_all_v(world, outgoing, mine_to_all, y, counts); });
  // Several are under way, each of which takes the arena of the one before.
  std::vector<std::vector<T>> many(4, in);
  std::vector<T> want = in;
  all_reduce(world, want, op);
  for (std::size_t k = 0; k < many.size(); ++k) all_reduce(there, many[k], op, k % 2 ? &first : &second);
  first.wait(), second.wait();
  for (const auto& v : many) cases::need(v == want, format("many, seed %u", seed), n, world);
}

/// Sizes of one piece of 2 KiB and of several, and none, all drawn; on a device whose memory is
/// of that kind to links. Everything by messages.
inline void check_all(communicator& world, unsigned seed, memory_kind kind) {
  host_device::stream first, second;
  const host_device::device device{.messages_move = kind};
  fake small(world, device, {.window_bytes = 4096, .prefer_messages = true}), large(world, device, {.prefer_messages = true});
  std::mt19937 draw(seed);
  for (std::size_t most : {std::size_t{2}, std::size_t{60}, std::size_t{900}}) {
    const auto n = static_cast<std::size_t>(draw() % most);
    cases::need(small.way_of<int, plus>(collective::all_reduce, n) == device_way::messages, "goes another way", n, world);
    check<std::uint32_t>(small, world, first, second, n, seed, plus{});
    check<cases::affine>(small, world, first, second, n, seed, cases::compose{});
    check<std::uint8_t>(large, world, first, second, n, seed, maximum{});
  }
  // Longer than what goes as one piece of a link's.
  std::vector<std::uint32_t> x(700001, static_cast<std::uint32_t>(world.rank() + 1));
  all_reduce(large, x, plus{}, &first);
  first.wait();
  const auto p = static_cast<std::uint32_t>(world.size());
  cases::need(x == std::vector<std::uint32_t>(x.size(), p * (p + 1) / 2), "all_reduce", x.size(), world);
  small.close(), large.close();
}

}  // namespace device_cases
