#include <tutti/comm/device_collectives.hpp>

#include <doctest/doctest.h>

#include "cases.hpp"
#include "host_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using fake = device_communicator<host_device::device>;

namespace {

// Like a host's collective, bit by bit, of the same operands.
template <class T>
void check_same(fake& gpu, communicator& world, host_device::stream& first, host_device::stream& second, std::size_t n) {
  const int p = world.size(), me = world.rank(), root = p - 1;
  const std::size_t wide = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  auto operand = [&](std::size_t size) {
    std::vector<T> v;
    for (std::size_t i = 0; i < size; ++i) v.push_back(cases::value<T>(me, i));
    return v;
  };
  auto same = [&](const std::vector<T>& got, const std::vector<T>& want, const char* what) {
    first.wait(), second.wait();
    cases::need(got == want, what, n, world);
  };
  auto* const one = &first;
  auto* const other = &second;
  std::vector<T> in = operand(n), out(n, T(99)), want(n, T(99));
  all_reduce(gpu, in, out, plus{}, one);
  all_reduce(world, in, want);
  same(out, want, "all_reduce");
  out = in;
  // Two calls in a row, on two streams, of which the second reads what the first wrote.
  all_reduce(gpu, out, plus{}, one);
  first.wait();
  all_reduce(gpu, out, maximum{}, other);
  same(out, want, "all_reduce, in place, twice");
  for (algorithm how : {algorithm::two_shot, algorithm::ring, algorithm::doubling}) {
    if (!gpu.why_staged().empty() && how == algorithm::doubling) continue;
    out.assign(n, T(99));
    all_reduce(gpu, in, out, plus{}, one, {.algorithm = how});
    same(out, want, name_of(how));
  }
  std::vector<T> broad = operand(wide), all(wide, T(99)), all_want(wide, T(99));
  reduce_scatter(gpu, broad, out, plus{}, one);
  reduce_scatter(world, broad, want);
  same(out, want, "reduce_scatter");
  all = broad;
  reduce_scatter(gpu, all, span<T>(all).subspan(mine, n), plus{}, one);
  first.wait();
  same({all.begin() + static_cast<std::ptrdiff_t>(mine), all.begin() + static_cast<std::ptrdiff_t>(mine + n)}, want, "reduce_scatter, in place");
  all_gather(gpu, in, all, one);
  all_gather(world, in, all_want);
  same(all, all_want, "all_gather");
  all.assign(wide, T(99));
  std::copy(in.begin(), in.end(), all.begin() + static_cast<std::ptrdiff_t>(mine));
  all_gather(gpu, span<T>(all).subspan(mine, n), all, other);
  same(all, all_want, "all_gather, in place");
  out = want = in;
  broadcast(gpu, out, root, one);
  broadcast(world, want, root);
  same(out, want, "broadcast");
  out.assign(n, T(99)), want = out;
  reduce(gpu, in, out, plus{}, root, one);
  reduce(world, in, want, plus{}, root);
  same(out, want, "reduce");
  all.assign(wide, T(99)), all_want = all;
  gather(gpu, in, all, root, one);
  gather(world, in, all_want, root);
  same(all, all_want, "gather");
  scatter(gpu, broad, out, root, one);
  scatter(world, broad, want, root);
  same(out, want, "scatter");
  all_to_all(gpu, broad, all, one);
  all_to_all(world, broad, all_want);
  same(all, all_want, "all_to_all");
  all = broad;
  all_to_all(gpu, all, all, one);
  same(all, all_want, "all_to_all, in place");
  scan(gpu, in, out, plus{}, one);
  scan(world, in, want, plus{});
  same(out, want, "scan");
  out.assign(n, T(99)), want = out;
  exclusive_scan(gpu, in, out, plus{}, one);
  exclusive_scan(world, in, want, plus{});
  same(out, want, "exclusive_scan");
  // Many are under way at once, on two streams in turns.
  std::vector<std::vector<T>> many(6, in);
  for (std::size_t k = 0; k < many.size(); ++k) all_reduce(gpu, many[k], plus{}, k % 2 ? one : other);
  all_reduce(world, in, want);
  for (auto& v : many) same(v, want, "many");
}

}  // namespace

TEST_CASE("every collective on device memory gives what the host's gives: by windows and through the host, in pieces and whole") {
  // Pieces of 1 KiB cut the longer vectors several times.
  for (int p : {1, 3})
    for (bool staged : {false, true})
      thread_ranks::run(p, [&](communicator& world) {
        host_device::stream one, other;
        fake small(world, host_device::device{}, {.window_bytes = 2048, .piece_bytes = 1024, .staged = staged});
        fake large(world, host_device::device{}, {.staged = staged});
        for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{300}}) check_same<std::int32_t>(small, world, one, other, n);
        check_same<double>(large, world, one, other, 997);
        one.wait(), other.wait();
        barrier(world);
      });
}

TEST_CASE("an operation that is not commutative keeps its order, and an algorithm that does not is refused") {
  thread_ranks::run(4, [](communicator& world) {
    host_device::stream one;
    fake gpu(world, host_device::device{});
    std::vector<cases::affine> x, want;
    for (std::size_t i = 0; i < 300; ++i) x.push_back(cases::map_of(world.rank(), i));
    want = x;
    all_reduce(world, want, cases::compose{});
    try {
      all_reduce(gpu, x, cases::compose{}, &one, {.algorithm = algorithm::ring});
      throw std::logic_error("not refused");
    } catch (const error& e) {
      if (e.code() != errc::invalid_argument) throw;
    }
    all_reduce(gpu, x, cases::compose{}, &one, {.algorithm = algorithm::two_shot});
    one.wait();
    if (x != want) throw std::logic_error("wrong order");
    barrier(world);
  });
}

TEST_CASE("sizes that do not fit and memory that overlaps are refused") {
  thread_ranks::run(2, [](communicator& world) {
    host_device::stream one;
    fake gpu(world, host_device::device{});
    std::vector<int> x(8), y(7);
    auto refused = [&](const char* says, auto call) {
      try {
        call();
      } catch (const error& e) {
        if (e.code() == errc::invalid_argument && std::string(e.what()).find(says) != std::string::npos) return;
        throw;
      }
      throw std::logic_error(format("not refused: %s", says));
    };
    refused("the input holds another number of elements", [&] { all_reduce(gpu, x, y, plus{}, &one); });
    refused("overlap", [&] { all_reduce(gpu, span<int>(x).subspan(0, 6), span<int>(x).subspan(2, 6), plus{}, &one); });
    refused("root 2 is not a rank", [&] { broadcast(gpu, x, 2, &one); });
    refused("as many elements for each rank", [&] { all_to_all(gpu, y, y, &one); });
    refused("the output holds another number", [&] { all_gather(gpu, x, x, &one); });
  });
}
