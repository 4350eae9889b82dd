#include <tutti/device/transfer.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/device/device_memory.hpp>

using namespace tutti;

TEST_CASE("copies between all spaces, and those that cannot be are refused before anything moves") {
  device_stream stream(0);
  for (std::size_t n : {0u, 1u, 7u, 1000u, 1000003u}) {
    std::vector<std::uint8_t> from(n), to(n, 0x5a);
    for (std::size_t i = 0; i < n; ++i) from[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    buffer<std::uint8_t, cuda> first(n), second(n);
    buffer<std::uint8_t, pinned> held(n);
    transfer(first, from, on(stream));
    transfer(second, first, on(stream));
    transfer(held, second, on(stream));
    stream.wait();
    transfer(to, held, on(stream));
    stream.wait();
    CHECK(to == from);
  }
  buffer<float, cuda> small(3);
  std::vector<float> large(4);
  CHECK_THROWS_WITH_AS(transfer(small, large, on(stream)), "transfer: 4 elements into 3", error);
  CHECK_THROWS_AS((transfer(span<float, cuda>(large.data(), 4), large, on(stream))), error);
  CHECK_THROWS_AS(transfer(span<float>(small.data(), 3), small, on(stream)), error);
}
