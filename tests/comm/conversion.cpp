#include <tutti/comm/conversion.hpp>

#include <doctest/doctest.h>

#include <atomic>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/persistent.hpp>

#include "conversions.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

namespace {

template <class Body>
void on_ranks(int ranks, progress how, Body body) {
  CHECK_NOTHROW(thread_ranks::run(ranks, body, {.progress = how}));
}

}  // namespace

TEST_CASE("averages, wider accumulators and narrower messages, in every form of every reduction") {
  for (int ranks : {1, 2, 3, 5, 8})
    for (std::size_t n : {0u, 1u, 3u, 700u, 9001u}) {
      CAPTURE(ranks);
      CAPTURE(n);
      on_ranks(ranks, progress::caller, [&](communicator& c) { conversions::check_all(c, n); });
    }
}

TEST_CASE("numbers of 8 bits, in every form of every reduction") {
  for (int ranks : {1, 2, 3, 8})
    for (std::size_t n : {0u, 5u, 700u}) {
      CAPTURE(ranks);
      CAPTURE(n);
      on_ranks(ranks, progress::caller, [&](communicator& c) {
        using conversions::check;
        const int p = c.size();
        // Ones that e4m3 forgets beside 16, and sums that are beyond its range on the way.
        check<fp8_e4m3>(c, n, accumulate_in<float>(plus{}), "e4m3 in float", [](int rank, std::size_t) { return fp8_e4m3(rank == 0 ? 16.f : 1.f); },
                        [&](std::size_t) { return fp8_e4m3(static_cast<float>(15 + p)); });
        check<fp8_e4m3>(c, n, accumulate_in<float>(average{}), "average of e4m3 in float", [](int, std::size_t i) { return fp8_e4m3(i % 2 ? 448.f : -448.f); },
                        [&](std::size_t i) { return fp8_e4m3(i % 2 ? 448.f : -448.f); });
        check<float>(c, n, send_as<fp8_e5m2>(maximum{}), "float as e5m2", [](int rank, std::size_t i) { return static_cast<float>((static_cast<std::size_t>(rank) + i) % 3 * 3); },
                     [&](std::size_t i) { return p == 1 ? static_cast<float>(i % 3 * 3) : p == 2 && i % 3 == 0 ? 3.f : 6.f; });
        conversions::check_sent_apart<fp8_e5m2>(c, n);
      });
    }
}

TEST_CASE("by a rank that folds what all have sent, sums are rounded once") {
  for (int ranks : {2, 5, 9})
    CHECK_NOTHROW(thread_ranks::run(ranks, [](communicator& c) {
      // Beside 256, a bfloat16 forgets 1.
      std::vector<float> x(12000, c.rank() == 0 ? 256.f : 1.f), y = x, z = x;
      const float sum = static_cast<float>(255 + c.size()), forgotten = static_cast<float>(bfloat16(sum));
      all_reduce(c, x, send_as<bfloat16>(accumulate_in<float>()), {.algorithm = algorithm::one_shot});
      all_reduce(c, y, send_as<bfloat16>(accumulate_in<float>()), {.algorithm = algorithm::two_shot});
      all_reduce(c, z, send_as<bfloat16>(), {.algorithm = algorithm::one_shot});
      conversions::need(x == std::vector<float>(x.size(), forgotten) && y == x, "rounded more than once", x.size(), c);
      conversions::need(z == std::vector<float>(x.size(), 256.f), "rounded less often than it says", x.size(), c);
      conversions::check_sent_apart(c, 1024 * static_cast<std::size_t>(c.size()));
      conversions::check_sent_apart<fp8_e5m2>(c, 1024 * static_cast<std::size_t>(c.size()));
      // A persistent call, and one with a count for each rank.
      std::vector<float> ones(40, 1.5f), sums(40), wide(40 * static_cast<std::size_t>(c.size()), 1.5f);
      persistent step([&] { return all_reduce_async(c, ones, sums, send_as<bfloat16>(accumulate_in<double>())); });
      for (int i = 0; i < 3; ++i) {
        step.start();
        step.wait();
        conversions::need(sums == std::vector<float>(40, 1.5f * static_cast<float>(c.size())), "persistent", 40, c);
      }
      const std::vector<std::size_t> counts(static_cast<std::size_t>(c.size()), 40);
      reduce_scatter_v(c, wide, sums, counts, send_as<bfloat16>(accumulate_in<float>(maximum{})));
      conversions::need(sums == ones, "counts", 40, c);
    }, {}, {}, ranks == 5));
}

TEST_CASE("a progress thread converts and divides too, also where nobody waits") {
  on_ranks(3, progress::thread, [](communicator& c) {
    conversions::check_all(c, 500);
    std::vector<float> given_up(5000, static_cast<float>(c.rank()));
    { request r = all_reduce_async(c, given_up, average{}); }
    std::vector<half> halves(5000, half(1.f));
    { request r = all_reduce_async(c, halves, accumulate_in<float>(average{})); }
    barrier(c);
    conversions::need(given_up == std::vector<float>(5000, 1.f), "an average given up", 5000, c);
    for (half h : halves) conversions::need(h == half(1.f), "halves given up", 5000, c);
  });
}

TEST_CASE("the type that travels counts in a plan") {
  on_ranks(2, progress::caller, [](communicator& c) {
    const call_shape floats{.what = collective::all_reduce, .count = 1000, .element = 4, .algorithm = algorithm::ring};
    call_shape staged = floats;
    staged.staging = 4000;
    const plan with = c.plan_for(staged), without = c.plan_for(floats);
    conversions::need(with.scratch_bytes >= without.scratch_bytes + 4000, "scratch", 0, c);
    conversions::need(with.bytes_sent == without.bytes_sent, "bytes", 0, c);
  });
}

TEST_CASE("ranks that convert otherwise, or from something else, call different things") {
  auto refused_by_all = [](auto call) {
    std::atomic<int> told{0};
    try {
      thread_ranks::run(2, [&](communicator& c) {
        try {
          call(c);
        } catch (const error& e) {
          if (e.code() == errc::mismatch) ++told;
          throw;
        }
      });
    } catch (const error&) {
    }
    return told == 2;
  };
  CHECK(refused_by_all([](communicator& c) {
    std::vector<float> x(10);
    if (c.rank() == 0) all_reduce(c, x, average{});
    else all_reduce(c, x, plus{});
  }));
  CHECK(refused_by_all([](communicator& c) {
    std::vector<half> x(10);
    std::vector<bfloat16> y(10);
    if (c.rank() == 0) all_reduce(c, x, accumulate_in<float>());
    else all_reduce(c, y, accumulate_in<float>());
  }));
  CHECK(refused_by_all([](communicator& c) {
    std::vector<half> x(10);
    if (c.rank() == 0) all_reduce(c, x, accumulate_in<float>());
    else all_reduce(c, x, accumulate_in<float>(average{}));
  }));
}

TEST_CASE("an error calls short numbers by their names") {
  std::atomic<int> told{0};
  try {
    thread_ranks::run(2, [&](communicator& c) {
      std::vector<fp8_e4m3> x(10);
      std::vector<fp8_e5m2> y(10);
      try {
        if (c.rank() == 0) all_reduce(c, x);
        else all_reduce(c, y);
      } catch (const error& e) {
        const std::string text = e.what();
        if (e.code() == errc::mismatch && text.find("fp8_e4m3") != std::string::npos && text.find("fp8_e5m2") != std::string::npos) ++told;
        throw;
      }
    });
  } catch (const error&) {
  }
  CHECK(told == 2);
}

TEST_CASE("a conversion that throws leaves nothing behind") {
  struct angry {
    float value = 0;
    angry() = default;
    explicit angry(int v) : value(static_cast<float>(v)) {
      if (v == 13) throw std::runtime_error("not thirteen");
    }
    explicit operator int() const { return static_cast<int>(value); }
    angry operator+(const angry& o) const {
      angry sum;
      sum.value = value + o.value;
      return sum;
    }
  };
  on_ranks(2, progress::caller, [](communicator& c) {
    std::vector<int> x(10, 13);
    bool thrown = false;
    try {
      all_reduce(c, x, accumulate_in<angry>());
    } catch (const std::runtime_error& e) {
      thrown = std::string(e.what()) == "not thirteen";
    }
    conversions::need(thrown, "an exception out of a conversion", 10, c);
    x.assign(10, 4);
    all_reduce(c, x, accumulate_in<angry>());
    conversions::need(x == std::vector<int>(10, 8), "the call after it", 10, c);
  });
}
