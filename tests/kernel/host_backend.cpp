#include <tutti/kernel/host_backend.hpp>

#include <doctest/doctest.h>

TEST_CASE("what every backend of the host has: memory that is filled") {
  int nothing = 0, x[3] = {};
  tutti::host_backend<int>::fill(nothing, tutti::span<int>(x, 2), 7);
  CHECK((x[0] == 7 && x[1] == 7 && x[2] == 0));
}
