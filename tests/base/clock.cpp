#include <tutti/base/clock.hpp>

#include <doctest/doctest.h>

TEST_CASE("the clock is the monotonic one, in seconds") {
  timespec before, after;
  ::clock_gettime(CLOCK_MONOTONIC, &before);
  double t = tutti::now();
  ::clock_gettime(CLOCK_MONOTONIC, &after);
  auto seconds = [](timespec s) { return static_cast<double>(s.tv_sec) + 1e-9 * static_cast<double>(s.tv_nsec); };
  CHECK(seconds(before) <= t);
  CHECK(t <= seconds(after));
}

TEST_CASE("the clock never goes back") {
  double last = tutti::now();
  int back = 0;
  for (int i = 0; i < 100000; ++i) {
    double t = tutti::now();
    back += t < last;
    last = t;
  }
  CHECK(back == 0);
}

TEST_CASE("the coarse clock is the same, a little behind") {
  for (int i = 0; i < 1000; ++i) {
    const double coarse = tutti::coarse_now(), fine = tutti::now();
    CHECK(coarse <= fine);
    // A tick is 10 ms at most; this thread may lose its core between the two.
    CHECK(fine - coarse < 10);
  }
}
