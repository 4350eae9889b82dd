#include <tutti/comm/nccl_link.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <thread>
#include <vector>

#include <tutti/comm/device_collectives.hpp>

#include "nccl_device.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using nccl::element;
using by = nccl::reduction;

namespace {

using nccl_ranks = detail::nccl_link<nccl_device::device>;
using device_ranks = device_communicator<nccl_device::device>;

void need(bool right, const std::string& what) {
  if (!right) throw std::logic_error(what);
}
void need_equal(const std::string& is, const std::string& want) { need(is == want, "says '" + is + "', not '" + want + "'"); }

device_options by_nccl() { return {.window_bytes = 1 << 16, .piece_bytes = 1 << 16, .nccl = STAND_IN_NCCL, .prefer_nccl = true}; }

std::vector<int> numbers(int first, std::size_t n) {
  std::vector<int> v(n);
  std::iota(v.begin(), v.end(), first);
  return v;
}

// Every collective beside the host's, in place and not, on a stream of a rank's own.
void check_collectives(device_ranks& there, communicator& world, std::size_t n) {
  const int p = world.size(), me = world.rank(), root = p - 1;
  const std::size_t many = n * static_cast<std::size_t>(p), mine = n * static_cast<std::size_t>(me);
  const std::vector<int> small = numbers(100 * me, n), large = numbers(1000 * me, many), blank(n, -7), blanks(many, -7);
  host_device::stream stream(me);
  auto check = [&](const char* what, const std::vector<int>& from, std::vector<int> out, auto on_device, auto on_host) {
    std::vector<int> x = from, y = out;
    on_device(x, y);
    stream.wait();
    on_host(from, out);
    need(x == from && y == out, format("wrong: %s of %zu on rank %d of %d", what, n, me, p));
  };
  check("all_reduce", small, blank, [&](auto& x, auto& y) { all_reduce(there, x, y, plus{}, &stream); }, [&](auto& x, auto& y) { all_reduce(world, x, y); });
  check("all_reduce in place", blank, small, [&](auto&, auto& y) { all_reduce(there, y, maximum{}, &stream); },
        [&](auto&, auto& y) { all_reduce(world, y, maximum{}); });
  check("reduce_scatter", large, blank, [&](auto& x, auto& y) { reduce_scatter(there, x, y, plus{}, &stream); },
        [&](auto& x, auto& y) { reduce_scatter(world, x, y); });
  check("all_gather", small, blanks, [&](auto& x, auto& y) { all_gather(there, x, y, &stream); }, [&](auto& x, auto& y) { all_gather(world, x, y); });
  check("all_gather in place", blank, large, [&](auto&, auto& y) { all_gather(there, span<int>(y.data() + mine, n), y, &stream); },
        [&](auto&, auto& y) { all_gather(world, span<int>(y.data() + mine, n), y); });
  check("broadcast", blank, small, [&](auto&, auto& y) { broadcast(there, y, root, &stream); }, [&](auto&, auto& y) { broadcast(world, y, root); });
  check("reduce", small, blank, [&](auto& x, auto& y) { reduce(there, x, y, minimum{}, root, &stream); },
        [&](auto& x, auto& y) { reduce(world, x, y, minimum{}, root); });
  check("gather", small, blanks, [&](auto& x, auto& y) { gather(there, x, y, root, &stream); }, [&](auto& x, auto& y) { gather(world, x, y, root); });
  check("scatter", large, blank, [&](auto& x, auto& y) { scatter(there, x, y, root, &stream); }, [&](auto& x, auto& y) { scatter(world, x, y, root); });
  check("all_to_all", large, blanks, [&](auto& x, auto& y) { all_to_all(there, x, y, &stream); }, [&](auto& x, auto& y) { all_to_all(world, x, y); });
  check("all_to_all in place on some ranks", blanks, large,
        [&](auto&, auto& y) {
          const std::vector<int> copy = y;
          if (me % 2 == 0) all_to_all(there, y, y, &stream);
          else all_to_all(there, copy, y, &stream);
          stream.wait();
        },
        [&](auto&, auto& y) { all_to_all(world, y, y); });
  check("scan", small, blank, [&](auto& x, auto& y) { scan(there, x, y, plus{}, &stream); }, [&](auto& x, auto& y) { scan(world, x, y, plus{}); });
}

}  // namespace

TEST_CASE("every collective by NCCL gives what the host's gives, and what it lacks goes another way") {
  for (int p : {1, 2, 3, 5}) {
    nccl_device::tell();
    thread_ranks::run(p, [&](communicator& world) {
      device_ranks there(world, nccl_device::device(world.rank()), by_nccl());
      for (std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{700}}) check_collectives(there, world, n);
      there.close();
      need_equal(there.why_not_nccl(), "the device communicator was closed");
    });
    const stand_in::report said = nccl_device::tell();
    // Of 11 kinds of call, twice each rank: four of them as groups of pairs, which one rank has none of.
    std::size_t whole = 0;
    for (const auto& a : said.asked) whole += a.function != "ncclSend" && a.function != "ncclRecv";
    CHECK(whole == static_cast<std::size_t>(2 * p * 7));
    CHECK(said.alive == 0);
    CHECK(said.aborted == 0);
    CHECK(said.joins == p);
    CHECK(said.blocking == 0);
    CHECK(said.began_to_end == p);
  }
}

TEST_CASE("the right function gets type, count, operation, root and stream") {
  nccl_device::tell();
  struct pair {
    std::int16_t a, b, c;
  };
  host_device::stream streams[] = {host_device::stream(0), host_device::stream(1)};
  std::vector<double> d[] = {std::vector<double>(14), std::vector<double>(14)};
  std::vector<pair> t[] = {std::vector<pair>(14), std::vector<pair>(14)};
  std::vector<bfloat16> b[] = {std::vector<bfloat16>(14), std::vector<bfloat16>(14)};
  std::vector<std::uint8_t> u[] = {std::vector<std::uint8_t>(14), std::vector<std::uint8_t>(14)};
  const auto asked_by = [&](auto body) {
    nccl_device::tell();
    thread_ranks::run(2, [&](communicator& world) {
      device_ranks there(world, nccl_device::device(world.rank()), by_nccl());
      body(there, static_cast<std::size_t>(world.rank()), &streams[world.rank()]);
      there.close();
    });
    std::vector<stand_in::request> asked = nccl_device::tell().asked;
    std::stable_sort(asked.begin(), asked.end(), [](const auto& x, const auto& y) { return x.rank < y.rank; });
    return asked;
  };
  const auto is = [&](const stand_in::request& a, std::size_t rank, const char* function, const void* in, void* out, std::size_t count, element type, by op, int root) {
    CHECK(a.rank == static_cast<int>(rank));
    CHECK(a.function == function);
    CHECK(a.input == in);
    CHECK(a.output == out);
    CHECK(a.count == count);
    CHECK(a.type == type);
    CHECK(a.op == op);
    CHECK(a.root == root);
    CHECK(a.stream == &streams[rank]);
  };
  auto asked = asked_by([&](auto& there, std::size_t me, auto stream) { all_reduce(there, d[me], minimum{}, stream); });
  REQUIRE(asked.size() == 2);
  for (std::size_t r : {std::size_t{0}, std::size_t{1}}) is(asked[r], r, "ncclAllReduce", d[r].data(), d[r].data(), 14, element::float64, by::min, -1);
  asked = asked_by([&](auto& there, std::size_t me, auto stream) { reduce_scatter(there, b[me], span<bfloat16>(b[me].data() + 7 * me, 7), plus{}, stream); });
  REQUIRE(asked.size() == 2);
  for (std::size_t r : {std::size_t{0}, std::size_t{1}}) is(asked[r], r, "ncclReduceScatter", b[r].data(), b[r].data() + 7 * r, 7, element::bfloat16, by::sum, -1);
  asked = asked_by([&](auto& there, std::size_t me, auto stream) { all_gather(there, span<pair>(t[me].data() + 7 * me, 7), t[me], stream); });
  REQUIRE(asked.size() == 2);
  for (std::size_t r : {std::size_t{0}, std::size_t{1}}) is(asked[r], r, "ncclAllGather", t[r].data() + 7 * r, t[r].data(), 42, element::int8, by::sum, -1);
  asked = asked_by([&](auto& there, std::size_t me, auto stream) { broadcast(there, d[me], 1, stream); });
  REQUIRE(asked.size() == 2);
  for (std::size_t r : {std::size_t{0}, std::size_t{1}}) is(asked[r], r, "ncclBroadcast", d[r].data(), d[r].data(), 112, element::int8, by::sum, 1);
  asked = asked_by([&](auto& there, std::size_t me, auto stream) { reduce(there, u[me], u[me], multiplies{}, 1, stream); });
  REQUIRE(asked.size() == 2);
  for (std::size_t r : {std::size_t{0}, std::size_t{1}}) is(asked[r], r, "ncclReduce", u[r].data(), r == 1 ? u[r].data() : nullptr, 14, element::uint8, by::product, 1);
  std::vector<double> e[] = {std::vector<double>(14), std::vector<double>(14)};
  asked = asked_by([&](auto& there, std::size_t me, auto stream) { all_to_all(there, d[me], e[me], stream); });
  REQUIRE(asked.size() == 4);
  is(asked[0], 0, "ncclSend", d[0].data() + 7, nullptr, 56, element::int8, by::sum, 1);
  is(asked[1], 0, "ncclRecv", nullptr, e[0].data() + 7, 56, element::int8, by::sum, 1);
  is(asked[2], 1, "ncclSend", d[1].data(), nullptr, 56, element::int8, by::sum, 0);
  is(asked[3], 1, "ncclRecv", nullptr, e[1].data(), 56, element::int8, by::sum, 0);
}

TEST_CASE("either all ranks have it or none, and each says why in the same words") {
  const auto why = [](int p, auto device_of, auto setting_of) {
    std::vector<std::string> said(static_cast<std::size_t>(p));
    thread_ranks::run(p, [&](communicator& world) {
      const nccl_ranks made(nccl_device::device(device_of(world.rank())), world, setting_of(world.rank()));
      said[static_cast<std::size_t>(world.rank())] = made.why_not();
    });
    for (const std::string& s : said) CHECK(s == said[0]);
    return said[0];
  };
  const auto own = [](int r) { return r; };
  const auto same = [](int) { return std::string(STAND_IN_NCCL); };
  nccl_device::tell();
  CHECK(why(3, own, same) == "");
  CHECK(why(3, [](int r) { return r == 2 ? 0 : r; }, same) == "ranks 0 and 2 share a device, and NCCL wants one for each rank");
  CHECK(why(3, own, [](int r) { return std::string(r == 1 ? "/nowhere/nccl" : STAND_IN_NCCL); }) ==
        "rank 1: NCCL is not here: /nowhere/nccl: cannot open shared object file: No such file or directory");
  CHECK(why(3, own, [](int r) { return std::string(r == 2 ? "off" : STAND_IN_NCCL); }) == "rank 2: NCCL is off, as TUTTI_NCCL or the program says");
  CHECK(why(3, own, [](int r) { return std::string(r == 1 ? STAND_IN_NCCL_OTHER : STAND_IN_NCCL); }) ==
        "rank 0 has NCCL 2.21.0 and rank 1 has 2.18.5; all need the same");
  CHECK(nccl_device::tell().alive == 0);
  nccl_device::tell({.fails = "ncclGetUniqueId"});
  CHECK(why(2, own, same) == "rank 0: ncclGetUniqueId: the stand-in was told to fail (NCCL 2.21.0, result 2)");
  // It does not join, and the others, who wait for it, give up what they have begun.
  for (const char* fails : {"ncclCommInitRankConfig", "joining"}) {
    nccl_device::tell({.fails = fails, .failing_rank = 0});
    CHECK(why(3, own, same) == format("rank 0: %s: the stand-in was told to fail (NCCL 2.21.0, result 2)", fails[0] == 'j' ? "ncclCommGetAsyncError" : fails));
    CHECK(nccl_device::tell().alive == 0);
  }
  // One that cannot begin says so before any of them asks to join.
  thread_ranks::run(3, [&](communicator& world) {
    nccl_device::device device(world.rank());
    device.is_lost = world.rank() == 1;
    const nccl_ranks none(device, world, STAND_IN_NCCL);
    need_equal(none.why_not(), "rank 1: the device is lost");
  });
  CHECK(nccl_device::tell().joins == 0);
  // What would make its calls block.
  ::setenv("NCCL_COMM_BLOCKING", "1", 1);
  CHECK(why(2, own, same) ==
        "rank 0: NCCL_COMM_BLOCKING is '1': NCCL's calls would wait for ranks with nobody looking whether these are there; unset it");
  ::setenv("NCCL_COMM_BLOCKING", "0", 1);
  CHECK(why(2, own, same) == "");
  ::unsetenv("NCCL_COMM_BLOCKING");
  // Without a device that NCCL could know, nothing is loaded.
  thread_ranks::run(2, [&](communicator& world) {
    const detail::nccl_link<host_device::device> none(host_device::device{}, world, STAND_IN_NCCL);
    need_equal(none.why_not(), "NCCL knows no such devices");
  });
  CHECK(nccl_device::tell().alive == 0);
}

TEST_CASE("whichever function fails on one rank, all throw its words, no stream waits on, and the ranks go on without NCCL") {
  for (const char* function : {"ncclAllReduce", "ncclReduceScatter", "ncclAllGather", "ncclBroadcast", "ncclReduce", "ncclSend", "ncclRecv", "ncclGroupStart",
                               "ncclGroupEnd", "ncclCommGetAsyncError", "late"}) {
    CAPTURE(std::string(function));
    const std::string f = function, words = format("rank 1: %s: the stand-in was told to fail (NCCL 2.21.0, result 2)",
                                                    f == "late" ? "ncclCommGetAsyncError, of an earlier call" : function);
    thread_ranks::run(3, [&](communicator& world) {
      device_ranks there(world, nccl_device::device(world.rank()), by_nccl());
      host_device::stream stream(world.rank());
      std::vector<int> x(6, world.rank()), y(6), z(2);
      barrier(world);
      if (world.rank() == 0) nccl_device::tell({.fails = function, .failing_rank = 1});
      barrier(world);
      try {
        if (f == "ncclReduceScatter") reduce_scatter(there, x, z, plus{}, &stream);
        else if (f == "ncclAllGather") all_gather(there, z, y, &stream);
        else if (f == "ncclBroadcast") broadcast(there, y, 0, &stream);
        else if (f == "ncclReduce") reduce(there, x, y, plus{}, 0, &stream);
        else if (f == "ncclSend" || f == "ncclRecv" || f.find("ncclGroup") == 0) all_to_all(there, x, y, &stream);
        else all_reduce(there, x, y, plus{}, &stream);
        need(false, "no error of " + f);
      } catch (const error& e) {
        need(e.code() == errc::device && e.rank() == 1, "another error");
        need_equal(e.what(), words);
      }
      stream.wait();
      need_equal(there.why_not_nccl(), "NCCL was aborted: " + words);
      all_reduce(there, x, plus{}, &stream);
      stream.wait();
      need(x == std::vector<int>(6, 3), "wrong sum afterwards");
      there.close();
    });
    const stand_in::report said = nccl_device::tell();
    CHECK(said.aborted == 3);
    CHECK(said.alive == 0);
  }
}

TEST_CASE("what NCCL refuses when it is closed is every rank's error, which leaves nobody waiting, and the rest is closed all the same") {
  for (const char* function : {"ncclCommFinalize", "ncclCommDestroy", "late"}) {
    CAPTURE(std::string(function));
    const std::string f = function,
                      words = format("rank 1: %s: the stand-in was told to fail (NCCL 2.21.0, result 2)", f == "late" ? "ncclCommGetAsyncError, of an earlier call" : function);
    nccl_device::tell();
    thread_ranks::run(3, [&](communicator& world) {
      device_ranks there(world, nccl_device::device(world.rank()), by_nccl());
      barrier(world);
      if (world.rank() == 0) nccl_device::tell({.fails = function, .failing_rank = 1});
      barrier(world);
      try {
        there.close();
        need(false, "no error");
      } catch (const error& e) {
        need(e.code() == errc::device && e.rank() == 1, "another error");
        need_equal(e.what(), words);
      }
      need_equal(there.why_not_nccl(), "the device communicator was closed");
      int one = 1;
      all_reduce(world, span<int>(&one, 1));
      need(one == 3, "the session has ended");
      barrier(world);
    });
    const stand_in::report said = nccl_device::tell();
    CHECK(said.alive == 0);
    CHECK(said.began_to_end == (f == "late" ? 0 : 3));
  }
  nccl_device::tell();
}

TEST_CASE("wherever a device fails on one rank, all ranks get its error or do without NCCL, and nothing of NCCL's is left") {
  for (bool with_windows : {true, false}) {
    int failed = 0;
    for (bool whole = false; !whole;) {
      const int n = ++failed;
      CAPTURE(n);
      CAPTURE(with_windows);
      nccl_device::tell();
      std::atomic<int> errors{0}, right{0};
      std::atomic<bool> used_up{false};
      thread_ranks::run(2, [&](communicator& world) {
        host_device::stream stream(world.rank());
        std::vector<int> x(6, world.rank() + 1), y(6);
        nccl_device::device device(world.rank());
        if (world.rank() == 1) device.left = std::make_shared<std::atomic<int>>(n);
        std::optional<device_ranks> there;  // pinned memory must outlast what the stream does with it
        try {
          there.emplace(world, device, device_options{.window_bytes = 2048, .piece_bytes = 2048, .nccl = STAND_IN_NCCL, .prefer_nccl = !with_windows});
          all_to_all(*there, x, x, &stream);
          all_reduce(*there, x, y, plus{}, &stream);
          there->close();
          stream.wait();
          right += y == std::vector<int>{2, 2, 2, 4, 4, 4};
        } catch (const error& e) {
          ++errors;
          stream.wait();
          if (std::string(e.what()).find("the device is broken") == std::string::npos) throw;
          there.reset();
        }
        if (world.rank() == 1 && *device.left > 0) used_up = true;
      });
      CHECK(errors + right == 2);
      CHECK((errors == 2 || right == 2));
      CHECK(nccl_device::tell().alive == 0);
      whole = used_up;
      REQUIRE(failed < 300);
    }
    CHECK(failed > 25);
  }
}

namespace {
std::atomic<session*> gives_up{nullptr};
void give_up(int rank, int times) {
  if (rank == 1 && times == 5) gives_up.load()->abandon("it has enough");
}
}  // namespace

TEST_CASE("ranks that join NCCL, of which one never comes, hear of the session's end, and leave nothing behind") {
  nccl_device::tell({.stuck_rank = 2, .asked_to_join = give_up});
  std::atomic<int> heard{0};
  thread_ranks::run(3, [&](communicator& world, session& s) {
    if (world.rank() == 1) gives_up = &s;
    try {
      const nccl_ranks made(nccl_device::device(world.rank()), world, STAND_IN_NCCL);
      need(false, "joined");
    } catch (const error& e) {
      need(e.code() == errc::rank_failed && e.rank() == 1, "another error");
      need_equal(e.what(), "rank 1 failed: it has enough");
      ++heard;
    }
  });
  CHECK(heard == 3);
  const stand_in::report said = nccl_device::tell();
  CHECK(said.alive == 0);
  CHECK(said.aborted == 3);
  CHECK(said.blocking == 0);
}

TEST_CASE("a verdict of any kind that a call, a wait or close meets ends the waiting of all streams, and all ranks say why in the same words") {
  for (const char* kind : {"a call", "a wait", "another's wait", "an event", "close", "a mismatch"}) {
    const std::string meets = kind;
    CAPTURE(meets);
    nccl_device::tell();
    std::string why[2], given[2];
    errc code[2] = {};
    std::atomic<int> issued{0};
    std::atomic<bool> over{false};
    thread_ranks::run(2, [&](communicator& world, session& s) {
      host_device::stream stream(world.rank());
      std::vector<int> x(3, 1);
      const auto me = static_cast<std::size_t>(world.rank());
      const nccl_device::device device(world.rank());
      device_ranks there(world, device, by_nccl()), other(world, device, by_nccl());
      if (me == 1) stream.hold_after(0);
      all_reduce(there, x, plus{}, &stream);
      ++issued;
      while (issued < 2) std::this_thread::yield();
      try {
        if (me == 1 && meets == "a mismatch") {
          try {
            all_reduce(there.host_side(), x);
          } catch (const error&) {
            there.wait(&stream);
          }
        } else if (me == 1) {
          s.abandon("it has enough");
          there.wait(&stream);
        } else if (meets == "a wait") {
          there.wait(&stream);
        } else if (meets == "another's wait") {
          other.wait(&stream);
        } else if (meets == "an event") {
          const auto event = device.make_event();
          device.record(event, &stream);
          detail::finish_for_all(device, world, event);
        } else if (meets == "close") {
          there.close();
        } else {
          all_reduce(there, x, plus{}, &stream);
        }
      } catch (const error& e) {
        code[me] = e.code(), why[me] = there.why_not_nccl(), given[me] = s.fabric().given().text;
        need_equal(other.why_not_nccl(), why[me]);
      }
      // Rank 1's stream has not even come to it.
      if (me == 0) stream.wait(), over = true;
      while (!over) std::this_thread::yield();
      stream.release();
    });
    for (int r : {0, 1}) {
      CHECK(code[r] == (meets == "a mismatch" ? errc::mismatch : errc::rank_failed));
      CHECK(why[r] == "NCCL was aborted: " + given[r]);
    }
    CHECK(why[0] == why[1]);
    const stand_in::report said = nccl_device::tell();
    CHECK(said.alive == 0);
    CHECK(said.aborted == 4);
  }
}

TEST_CASE("a wait returns once its stream has come so far, and refuses one that is recorded or of another device") {
  nccl_device::tell();
  thread_ranks::run(2, [&](communicator& world) {
    host_device::stream stream(world.rank()), other(7);
    std::vector<int> x(300, 1 + world.rank());
    device_ranks there(world, nccl_device::device(world.rank()), by_nccl());
    all_reduce(there, x, plus{}, &stream);
    there.wait(&stream);
    need(x == std::vector<int>(300, 3), "waited for too little");
    const auto refused = [&](host_device::stream& in, const std::string& words) {
      try {
        there.wait(&in);
        need(false, "waited");
      } catch (const error& e) {
        need(e.code() == errc::invalid_argument, "another error");
        need(std::string(e.what()).find(words) != std::string::npos, e.what());
      }
    };
    refused(other, "the stream is of device 7");
    host_device::graph graph;
    stream.record_into(&graph);
    refused(stream, "the stream is recorded into a graph");
    stream.record_into(nullptr);
    there.close();
    there.wait(&stream);
  });
}

TEST_CASE("a link that ends with work of other ranks missing gives it up instead of waiting") {
  nccl_device::tell();
  thread_ranks::run(2, [&](communicator& world) {
    host_device::stream stream(world.rank());
    std::vector<int> x(3, 1);
    {
      nccl_ranks made(nccl_device::device(world.rank()), world, STAND_IN_NCCL);
      if (world.rank() == 1) stream.hold_after(0);
      made.run(world, device_call<int, plus>{.input = x.data(), .output = x.data(), .count = 3, .input_blocks = 1, .output_blocks = 1}, &stream);
    }
    if (world.rank() == 0) stream.wait();
    barrier(world);
    stream.release();
    stream.wait();
  });
  const stand_in::report said = nccl_device::tell();
  CHECK(said.alive == 0);
  CHECK(said.aborted == 2);
}

TEST_CASE("of its own ways and NCCL each call takes the one that costs less, by rank 0's tuning, and says which") {
  nccl_device::tell();
  const std::string file = format("nccl_link_%d.tuning", static_cast<int>(::getpid()));
  std::ofstream(file) << "device.windows.latency_s 1e-6\ndevice.windows.step_s 1e-6\ndevice.windows.bytes_per_s 1e9\n"
                         "device.nccl.latency_s 1e-4\ndevice.nccl.step_s 0\ndevice.nccl.bytes_per_s 1e11\n"
                         "device.messages.latency_s 0.5\ndevice.staging.latency_s 1\n";
  ::setenv("TUTTI_TUNING", file.c_str(), 1);
  for (device_way own : {device_way::windows, device_way::messages, device_way::staging})
    thread_ranks::run(2, [&](communicator& world) {
      nccl_device::device device(world.rank());
      if (own != device_way::windows) device.fault = "too far";
      if (own == device_way::staging) device.messages_move = memory_kind::as_cuda;  // which threads do not send
      device_ranks there(world, device, {.window_bytes = 1 << 22, .nccl = STAND_IN_NCCL});
      need(there.why_staged().empty() == (own == device_way::windows), "goes another way");
      need(there.why_not_messages().empty() == (own == device_way::messages), "goes another way");
      const auto is = [&](device_way got, device_way want) { need_equal(name_of(got), name_of(want)); };
      is(there.way_of<int, plus>(collective::all_reduce, 16), own == device_way::windows ? own : device_way::nccl);
      is(there.way_of<int, plus>(collective::all_reduce, 1 << 20), device_way::nccl);
      is(there.way_of<int, plus>(collective::all_reduce, 1 << 20, algorithm::two_shot), own);
      is(there.way_of<int, bit_and>(collective::all_reduce, 1 << 20), own);
      is(there.way_of<short, plus>(collective::all_reduce, 1 << 20), own);
      is(there.way_of<int, plus>(collective::scan, 1 << 20), own);
      is(there.way_of<short, no_operation>(collective::all_gather, 1 << 20), device_way::nccl);
      is(there.way_of<int, plus>(collective::all_reduce, 0), own);
      // Where NCCL may give another result it must be asked for.
      is(there.way_of<half, plus>(collective::all_reduce, 1 << 20), own);
      is(there.way_of<bfloat16, plus>(collective::reduce_scatter, 1 << 20), own);
      is(there.way_of<float, maximum>(collective::all_reduce, 1 << 20), own);
      is(there.way_of<bfloat16, minimum>(collective::reduce, 1 << 20), own);
      is(there.way_of<float, plus>(collective::all_reduce, 1 << 20), device_way::nccl);
      is(there.way_of<int, maximum>(collective::all_reduce, 1 << 20), device_way::nccl);
      is(there.way_of<bfloat16, no_operation>(collective::all_gather, 1 << 20), device_way::nccl);
      host_device::stream stream(world.rank());
      for (std::size_t n : {std::size_t{16}, std::size_t{1} << 20}) {
        std::vector<int> x(n, 1 + world.rank());
        all_reduce(there, x, plus{}, &stream);
        stream.wait();
        need(x == std::vector<int>(n, 3), "wrong sum");
      }
      there.close();
    });
  ::unsetenv("TUTTI_TUNING");
  std::remove(file.c_str());
  std::vector<std::size_t> counts;
  for (const auto& a : nccl_device::tell().asked) counts.push_back(a.count);
  std::sort(counts.begin(), counts.end());
  CHECK(counts == std::vector<std::size_t>{16, 16, 16, 16, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20});
}

TEST_CASE("where NCCL is preferred and not there, all ranks are refused; staged ones have none") {
  nccl_device::tell();
  thread_ranks::run(2, [&](communicator& world) {
    try {
      device_ranks(world, nccl_device::device(0), by_nccl());
      need(false, "taken");
    } catch (const error& e) {
      need(e.code() == errc::not_supported, "another error");
      need_equal(e.what(), "a device communicator is to prefer NCCL, and cannot: ranks 0 and 1 share a device, and NCCL wants one for each rank");
    }
    device_ranks staged(world, nccl_device::device(world.rank()), {.staged = true, .nccl = STAND_IN_NCCL});
    need(!staged.why_not_nccl().empty(), "has NCCL");
  });
  CHECK(nccl_device::tell().alive == 0);
}
