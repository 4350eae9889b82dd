#include <tutti/comm/device_uneven.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cases.hpp"
#include "host_device.hpp"
#include "nccl_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using fake = device_communicator<host_device::device>;

namespace {

using counts = std::vector<std::size_t>;

// Of `ranks` ranks, many of them none, some of them long.
counts drawn(std::mt19937_64& random, int ranks, std::size_t most) {
  counts all;
  for (int r = 0; r < ranks; ++r) all.push_back(random() % 3 == 0 ? 0 : random() % (most + 1));
  return all;
}
std::size_t total(const counts& of) { return std::accumulate(of.begin(), of.end(), std::size_t{0}); }

// Beside the host's, of the same operands: `random` draws the same on all ranks.
template <class Ranks, class Order>
void check_same(Ranks& there, communicator& world, Order one, Order other, std::mt19937_64 random, std::size_t most) {
  const int p = world.size(), me = world.rank(), root = static_cast<int>(random() % static_cast<unsigned>(p));
  const auto mine = static_cast<std::size_t>(me);
  using T = std::int32_t;
  auto same = [&](const std::vector<T>& got, const std::vector<T>& want, const char* what) {
    one->wait(), other->wait();
    cases::need(got == want, what, want.size(), world);
  };
  const counts all = drawn(random, p, most);
  const std::size_t wide = total(all), own = all[mine], before = detail::elements_before(all, me);
  const std::vector<T> broad = cases::operands<T>(me, wide), in = cases::operands<T>(me, own), blanks(wide, T(99)), blank(own, T(99));
  auto out = blanks, want = blanks;
  all_gather_v(there, in, out, all, one);
  all_gather_v(world, in, want, all);
  same(out, want, "all_gather_v");
  out.assign(wide, T(99));
  std::copy(in.begin(), in.end(), out.begin() + static_cast<std::ptrdiff_t>(before));
  all_gather_v(there, span<T>(out).subspan(before, own), out, all, other);
  same(out, want, "all_gather_v, in place");
  auto block = blank, want_block = blank;
  reduce_scatter_v(there, broad, block, all, plus{}, one);
  reduce_scatter_v(world, broad, want_block, all, plus{});
  same(block, want_block, "reduce_scatter_v");
  out = broad;
  reduce_scatter_v(there, out, span<T>(out).subspan(before, own), all, plus{}, other);
  one->wait(), other->wait();
  same({out.begin() + static_cast<std::ptrdiff_t>(before), out.begin() + static_cast<std::ptrdiff_t>(before + own)}, want_block, "reduce_scatter_v, in place");
  out = want = blanks;
  gather_v(there, in, out, all, root, one);
  gather_v(world, in, want, all, root);
  same(out, want, "gather_v");
  block = want_block = blank;
  scatter_v(there, broad, block, all, root, other);
  scatter_v(world, broad, want_block, all, root);
  same(block, want_block, "scatter_v");
  // Row r of a matrix is what rank r sends.
  std::vector<counts> matrix;
  for (int r = 0; r < p; ++r) matrix.push_back(drawn(random, p, most));
  counts received;
  for (const counts& row : matrix) received.push_back(row[mine]);
  const std::vector<T> sent = cases::operands<T>(me, total(matrix[mine]));
  out.assign(total(received), T(99)), want = out;
  all_to_all_v(there, sent, matrix[mine], out, received, one);
  all_to_all_v(world, sent, matrix[mine], want, received);
  same(out, want, "all_to_all_v");
  std::vector<T> both = sent, host_both = sent;
  both.resize(std::max(sent.size(), out.size())), host_both.resize(both.size());
  all_to_all_v(there, span<const T>(both.data(), sent.size()), matrix[mine], span<T>(both.data(), out.size()), received, one);
  all_to_all_v(world, span<const T>(host_both.data(), sent.size()), matrix[mine], span<T>(host_both.data(), out.size()), received);
  one->wait();
  same({both.begin(), both.begin() + static_cast<std::ptrdiff_t>(out.size())}, {host_both.begin(), host_both.begin() + static_cast<std::ptrdiff_t>(out.size())},
       "all_to_all_v, in place");
}

// Counts operands that no element is.
std::atomic<int> no_elements{0};
struct careful {
  cases::affine operator()(cases::affine f, cases::affine g) const {
    no_elements += f.a == 0 || g.a == 0;
    return cases::compose{}(f, g);
  }
};

}  // namespace

TEST_CASE("every form with counts gives on devices what it gives on hosts: by windows, by messages, through the host and by NCCL, in pieces and whole") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  for (int p : {1, 2, 3, 5})
    for (bool staged : {false, true})
      thread_ranks::run(p, [&](communicator& world) {
        host_device::stream one, other;
        std::mt19937_64 random(seed + static_cast<unsigned>(p));
        fake small(world, host_device::device{}, {.window_bytes = 2048, .piece_bytes = 1024, .staged = staged});
        fake large(world, host_device::device{}, {.staged = staged});
        fake least(world, host_device::device{}, {.window_bytes = staged ? 0u : 1024u, .piece_bytes = 64, .staged = staged});
        check_same(least, world, &one, &other, random, 40);
        least.close();
        if (!staged && p > 1) {
          fake sent(world, host_device::device{}, {.window_bytes = 2048, .prefer_messages = true});
          check_same(sent, world, &one, &other, random, 700);
          sent.close();
        }
        for (std::size_t most : {0u, 1u, 40u, 700u}) {
          check_same(small, world, &one, &other, random, most);
          check_same(large, world, &one, &other, random, most);
          random.discard(100);
        }
        small.close(), large.close();
      });
  nccl_device::tell();
  thread_ranks::run(3, [&](communicator& world) {
    host_device::stream one(world.rank()), other(world.rank());
    device_communicator there(world, nccl_device::device(world.rank()), {.window_bytes = 4096, .piece_bytes = 1024, .nccl = STAND_IN_NCCL, .prefer_nccl = true});
    check_same(there, world, &one, &other, std::mt19937_64(seed), 700);
    there.close();
  });
  const auto said = nccl_device::tell();
  CHECK(!said.asked.empty());
  for (const auto& a : said.asked) {
    CHECK((a.function == "ncclSend" || a.function == "ncclRecv"));
    CHECK(a.count > 0);
  }
  CHECK(said.alive == 0);
}

TEST_CASE("what is folded between blocks are elements, and operands keep their order") {
  thread_ranks::run(3, [](communicator& world) {
    host_device::stream one;
    fake there(world, host_device::device{}, {.window_bytes = 2048});
    const counts all = {5, 0, 90};
    std::vector<cases::affine> in, want(all[static_cast<std::size_t>(world.rank())]), out = want;
    for (std::size_t i = 0; i < 95; ++i) in.push_back(cases::map_of(world.rank(), i));
    reduce_scatter_v(world, in, want, all, cases::compose{});
    reduce_scatter_v(there, in, out, all, careful{}, &one);
    one.wait();
    cases::need(out == want, "reduce_scatter_v, not commutative", out.size(), world);
    barrier(world);
  });
  CHECK(no_elements == 0);
}

TEST_CASE("blocks travel as long as they are, and those of nothing not at all") {
  const std::uint64_t seed = std::random_device{}();
  MESSAGE("seed " << seed);
  constexpr int p = 4;
  for (std::size_t most : {3u, 900u}) {
    std::mt19937_64 random(seed);
    std::vector<counts> rows;
    for (int r = 0; r < p; ++r) rows.push_back(drawn(random, p, most));
    const counts gathered = drawn(random, p, most);
    std::size_t own = 0, all = 0;
    for (std::size_t r = 0; r < p; ++r) own += rows[r][r], all += total(rows[r]);
    thread_ranks::run(p, [&](communicator& world) {
      const auto me = static_cast<std::size_t>(world.rank());
      counts got;
      for (const counts& row : rows) got.push_back(row[me]);
      host_device::stream one;
      fake windows(world, host_device::device{}, {.window_bytes = 4096}), staged(world, host_device::device{}, {.piece_bytes = 512, .staged = true});
      const std::vector<int> in(total(rows[me]), 1), block(gathered[me], 1);
      std::vector<int> out(total(got)), whole(total(gathered));
      const auto of_all = [&](auto call) {
        barrier(world);
        const std::size_t before = host_device::bytes_copied;
        barrier(world);
        call();
        barrier(world);
        return host_device::bytes_copied - before;
      };
      const auto fetched = [&] { return windows.host_side().counters().over(link_kind::device); };
      const traffic at_first = fetched();
      // Once into an arena and once out of it, this rank's own straight to its place.
      const std::size_t exchanged = of_all([&] { all_to_all_v(windows, in, rows[me], out, got, &one); });
      cases::need(exchanged == sizeof(int) * (2 * (all - own) + own), "bytes of all_to_all_v by windows", exchanged, world);
      const traffic once = fetched();
      cases::need(once.bytes - at_first.bytes == sizeof(int) * (total(rows[me]) - rows[me][me]), "bytes that others fetch of all_to_all_v", once.bytes, world);
      // Into an arena once for all.
      const std::size_t spread = of_all([&] { all_gather_v(windows, block, whole, gathered, &one); });
      cases::need(spread == sizeof(int) * total(gathered) * (1 + p), "bytes of all_gather_v by windows", spread, world);
      cases::need(fetched().bytes - once.bytes == sizeof(int) * (p - 1) * gathered[me], "bytes that others fetch of all_gather_v", fetched().bytes, world);
      const auto sent = [&] { return staged.host_side().counters().of(collective::all_to_all).sent.bytes; };
      const std::uint64_t before = sent();
      all_to_all_v(staged, in, rows[me], out, got, &one);
      cases::need(sent() - before == sizeof(int) * (total(rows[me]) - rows[me][me]), "bytes of all_to_all_v through the host", sent() - before, world);
      barrier(world);
      const std::size_t held = host_device::memories.bytes();
      barrier(world);
      std::vector<int> sums(gathered[me]);
      reduce_scatter_v(staged, whole, sums, gathered, plus{}, &one);
      barrier(world);
      cases::need(host_device::memories.bytes() == held, "device memory of reduce_scatter_v through the host", host_device::memories.bytes() - held, world);
      barrier(world);
      one.wait();
      barrier(world);
      windows.close(), staged.close();
    });
  }
}

TEST_CASE("more ranks than a kernel takes operands fold all of them in order") {
  constexpr int p = most_arenas + 3;
  thread_ranks::run(p, [](communicator& world) {
    host_device::stream one;
    fake there(world, host_device::device{}, {.window_bytes = 4096, .prefer_messages = true});
    counts all(p, 2);
    all[5] = 9, all[p - 1] = 3, all[p - 2] = 0;
    const std::size_t mine = all[static_cast<std::size_t>(world.rank())];
    std::vector<cases::affine> in, out(mine), want(mine);
    for (std::size_t i = 0; i < total(all); ++i) in.push_back(cases::map_of(world.rank(), i));
    reduce_scatter_v(there, in, out, all, cases::compose{}, &one);
    one.wait();
    reduce_scatter_v(world, in, want, all, cases::compose{});
    cases::need(out == want, "reduce_scatter_v", mine, world);
    const span<cases::affine> own = span<cases::affine>(in).subspan(detail::elements_before(all, world.rank()), mine);
    reduce_scatter_v(there, in, own, all, cases::compose{}, &one);
    one.wait();
    cases::need(std::equal(own.begin(), own.end(), want.begin()), "reduce_scatter_v, in place", mine, world);
    there.close();
  });
}

TEST_CASE("counts that ranks do not agree on are a mismatch on all ranks, and what does not fit is refused by all, before anything moves") {
  thread_ranks::run(3, [](communicator& world) {
    const auto me = static_cast<std::size_t>(world.rank());
    host_device::stream one;
    fake there(world, host_device::device{}, {.window_bytes = 2048});
    std::vector<int> in(4, 1), out(12, 99);
    const auto refused = [&](errc code, const std::string& says, auto call) {
      try {
        call();
      } catch (const error& e) {
        if (e.code() == code && e.what() == says) return one.wait();
        throw std::logic_error(format("says '%s', not '%s'", e.what(), says.c_str()));
      }
      throw std::logic_error("not refused: " + says);
    };
    const counts fours = {4, 4, 4}, other = {4, 3, 5};
    refused(errc::mismatch, "ranks 0 and 2 call different things on device memory: their counts differ",
            [&] { all_gather_v(there, span<const int>(in.data(), me == 2 ? 5 : 4), out, me == 2 ? other : fours, &one); });
    refused(errc::mismatch, "ranks 0 and 1 call different things on device memory: all_gather and reduce_scatter", [&] {
      if (me == 1) reduce_scatter_v(there, out, in, fours, plus{}, &one);
      else all_gather_v(there, in, out, fours, &one);
    });
    const std::string differ = "ranks 0 and 1 call different things on device memory: their roots, types, operations or algorithms differ";
    refused(errc::mismatch, differ, [&] { gather_v(there, in, out, fours, me == 1 ? 1 : 0, &one); });
    refused(errc::mismatch, differ, [&] { all_gather_v(there, in, out, fours, &one, {.algorithm = me == 1 ? algorithm::ring : algorithm::automatic}); });
    refused(errc::mismatch, "rank 1: gather_v: 3 elements are for rank 0 or come from it by the count here, and 4 by the one there",
            [&] { gather_v(there, span<const int>(in.data(), 4), span<int>(out.data(), 11), counts{3, 4, 4}, 1, &one); });
    refused(errc::mismatch, "rank 0: scatter_v: 4 elements are for rank 2 or come from it by the count here, and 2 by the one there",
            [&] { scatter_v(there, out, span<int>(in.data(), me == 2 ? 2 : 4), fours, 0, &one); });
    refused(errc::mismatch, "rank 2: all_to_all_v: 1 elements are for rank 0 or come from it by the count here, and 2 by the one there", [&] {
      const counts row = me == 0 ? counts{1, 1, 2} : counts{1, 1, 1}, column = {1, 1, 1};
      all_to_all_v(there, span<const int>(in.data(), total(row)), row, span<int>(out.data(), 3), column, &one);
    });
    refused(errc::invalid_argument, "rank 1: all_gather_v: the buffer of all blocks must hold as many elements as the counts add up to (11 and 12)",
            [&] { all_gather_v(there, in, span<int>(out.data(), me == 1 ? 11 : 12), fours, &one); });
    refused(errc::invalid_argument, "rank 0: scatter_v: root 3 is not a rank from 0 to 2", [&] { scatter_v(there, out, in, fours, 3, &one); });
    host_device::stream elsewhere(1);
    refused(errc::invalid_argument, "rank 2: all_to_all_v: the stream is of device 1, and the call is for device 0", [&] {
      const counts ones = {1, 1, 1};
      all_to_all_v(there, span<const int>(in.data(), 3), ones, span<int>(out.data(), 3), ones, me == 2 ? &elsewhere : &one);
    });
    host_device::graph graph;
    one.record_into(&graph);
    refused(errc::not_supported, "rank 0: all_gather_v cannot be recorded into a graph", [&] {
      struct ends {
        host_device::stream& of;
        ~ends() { of.record_into(nullptr); }
      } recording{one};
      all_gather_v(there, in, out, fours, &one);
    });
    refused(errc::invalid_argument, "rank 0: all_gather is not done by tree", [&] { all_gather_v(there, in, out, fours, &one, {.algorithm = algorithm::tree}); });
    fake narrow(world, host_device::device{}, {.window_bytes = 256});
    refused(errc::invalid_argument, format("rank %d: windows of 0 bytes do not hold 16 for each of 3 ranks; give more window_bytes", world.rank()),
            [&] { all_gather_v(narrow, in, out, fours, &one); });
    if (in != std::vector<int>(4, 1) || out != std::vector<int>(12, 99)) throw std::logic_error("something moved");
    barrier(world);
    narrow.close();
    there.close();
    refused(errc::invalid_argument, "rank 0: all_gather_v: the device communicator was closed", [&] { all_gather_v(there, in, out, fours, &one); });
  });
}

TEST_CASE("a device that fails within a call with counts is heard of by all ranks, wherever it fails") {
  int failed = 0;
  for (int n = 1; n < 140; ++n) {
    std::vector<std::string> heard(2);
    thread_ranks::run(2, [&](communicator& world) {
      host_device::stream one;
      std::vector<int> in(300, 1), out(500, 99);
      try {
        fake there(world, world.rank() == 1 ? host_device::device::fail_after(n) : host_device::device{}, {.window_bytes = 1024, .piece_bytes = 512});
        all_gather_v(there, span<const int>(in.data(), world.rank() == 0 ? 200 : 300), out, counts{200, 300}, &one);
        there.wait(&one);
        there.close();
      } catch (const error& e) {
        heard[static_cast<std::size_t>(world.rank())] = e.what();
      }
      one.wait();
    });
    CHECK(heard[0].empty() == heard[1].empty());
    failed += !heard[0].empty();
    if (!heard[0].empty()) CHECK(heard[0].find("the device is broken") != std::string::npos);
  }
  CHECK(failed > 20);
}
