#include <tutti/device/host_device.hpp>

#include <doctest/doctest.h>

TUTTI_HOST_DEVICE static int both(int x) { return x + 1; }

TEST_CASE("a function for both sides is a function") { CHECK(both(2) == 3); }
