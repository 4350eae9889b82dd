#include <tutti/comm/flight_recorder.hpp>

#include <doctest/doctest.h>

#include <cstring>
#include <thread>

using namespace tutti;

namespace {
call named(const char* kind, std::uint64_t count) {
  call c;
  std::strcpy(c.kind, kind);
  std::strcpy(c.type, "float");
  std::strcpy(c.algorithm, "ring");
  if (is_message(c)) c.root = 0;
  c.count = count;
  return c;
}
}  // namespace

TEST_CASE("the last sixteen operations are there, the oldest first") {
  flight_recorder r;
  CHECK(r.read().empty());
  for (std::uint64_t n = 1; n <= 40; ++n) {
    const bool even = n % 2 == 0;
    r.begin(n, named(even ? "all_reduce" : "broadcast", even ? 8 : 9), even ? 2 : 1, static_cast<double>(n));
    if (n < 39) r.end(n, operation_record::state::done, static_cast<double>(n) + 0.5);
    if (n == 39) r.end(n, operation_record::state::failed, 39.25);
  }
  const auto all = r.read();
  REQUIRE(all.size() == flight_recorder::kept);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::uint64_t n = 25 + i;
    CHECK(all[i].number == n);
    CHECK(all[i].what.number == n);
    CHECK(std::string(all[i].what.kind) == (n % 2 ? "broadcast" : "all_reduce"));
    CHECK(all[i].what.count == (n % 2 ? 9 : 8));
    CHECK(all[i].begun == static_cast<double>(n));
  }
  CHECK(describe(all[0], 30.5) == "operation 25: broadcast of 9 float, ring: done, begun 5.500 s ago, took 0.500 s");
  CHECK(describe(all[14], 40) == "operation 39: broadcast of 9 float, ring: failed, begun 1.000 s ago, after 0.250 s");
  CHECK(describe(all[15], 41) == "operation 40: all_reduce of 8 float, ring: under way, begun 1.000 s ago");
  // A coarse clock may lag behind the one that is read now.
  CHECK(describe(all[15], 39.9) == "operation 40: all_reduce of 8 float, ring: under way, begun 0.000 s ago");
}

TEST_CASE("the end of one that is no longer among the last changes none that is") {
  flight_recorder r;
  for (std::uint64_t n = 1; n <= 20; ++n) r.begin(n, named("send", 1), 1, static_cast<double>(n));
  r.end(3, operation_record::state::failed, 30);
  r.end(20, operation_record::state::done, 31);
  for (const operation_record& o : r.read()) {
    CAPTURE(o.number);
    CHECK(o.is == (o.number == 20 ? operation_record::state::done : operation_record::state::running));
  }
  CHECK(describe(r.read()[0], 6) == "message 5: send of 1 float, tag 0: under way, begun 1.000 s ago");
}

TEST_CASE("one that is added once it is done is as one that has begun and ended") {
  flight_recorder begun, added;
  begun.begin(3, named("broadcast", 5), 1, 2.5);
  begun.end(3, operation_record::state::done, 2.5);
  added.add_done(3, named("broadcast", 5), 1, 2.5);
  REQUIRE(added.read().size() == 1);
  CHECK(describe(added.read()[0], 4) == describe(begun.read()[0], 4));
}

TEST_CASE("whoever reads while another writes sees no mixture") {
  flight_recorder r;
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (std::uint64_t n = 1; n <= 100000; ++n) {
      // All parts of a record say the same.
      r.begin(n, named("all_reduce", n), n, static_cast<double>(n));
      r.end(n, operation_record::state::done, static_cast<double>(n));
    }
    done = true;
  });
  std::size_t wrong = 0, seen = 0;
  do {
    for (const operation_record& o : r.read()) {
      ++seen;
      wrong += o.what.count != o.number || o.begun != static_cast<double>(o.number);
      wrong += o.is == operation_record::state::failed || (o.ended != 0 && o.ended != static_cast<double>(o.number));
    }
  } while (!done);
  writer.join();
  CHECK(wrong == 0);
  CHECK(r.read().size() == flight_recorder::kept);
  CHECK(seen + 1 > 0);
}
