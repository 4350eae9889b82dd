#include <tutti/device/stream.hpp>

#include <doctest/doctest.h>

#include <tutti/device/device_memory.hpp>
#include <tutti/device/transfer.hpp>

using namespace tutti;

TEST_CASE("a stream knows its device, and another waits for its events") {
  device_stream first(0), second(0);
  CHECK(on(first).device == 0);
  CHECK(on(first.native()).device == 0);
  const device_event done(0, false);
  constexpr std::size_t n = 1 << 24;
  buffer<int, cuda> a(n), b(n);
  buffer<int, pinned> from(n), to(n);
  for (std::size_t i = 0; i < n; ++i) from[i] = static_cast<int>(i), to[i] = -1;
  transfer(a, from, on(first));
  transfer(b, a, on(first));
  done.record(on(first));
  detail::wait_for(on(second), done.native());
  transfer(to, b, on(second));
  second.wait();
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < n; ++i) wrong += to[i] != static_cast<int>(i);
  CHECK(wrong == 0);
  device_stream moved = std::move(first);
  moved.wait();
  CHECK(first.native() == nullptr);  // NOLINT: moved from, and said to be empty
}
