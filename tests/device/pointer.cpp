#include <tutti/device/pointer.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/device/device_memory.hpp>

using namespace tutti;

TEST_CASE("memory of another space, memory given back, and streams of other devices are told apart") {
  buffer<float, cuda> there(100);
  buffer<float, pinned> held(100);
  std::vector<float> here(100);
  const std::size_t bytes = 100 * sizeof(float);
  CHECK_NOTHROW(detail::need_device_memory("f", there.data(), bytes, 0));
  CHECK_NOTHROW(detail::need_device_memory("f", nullptr, 0, 0));
  CHECK_NOTHROW(detail::need_host_memory("f", here.data(), bytes));
  CHECK_NOTHROW(detail::need_host_memory("f", held.data(), bytes));
  CHECK_THROWS_WITH_AS(detail::need_device_memory("f", here.data(), bytes, 0), doctest::Contains("memory of the host, or was given back"), error);
  CHECK_THROWS_WITH_AS(detail::need_device_memory("f", held.data(), bytes, 0), doctest::Contains("pinned memory of the host"), error);
  CHECK_THROWS_WITH_AS(detail::need_device_memory("f", nullptr, bytes, 0), "f: a null pointer with 400 bytes", error);
  CHECK_THROWS_WITH_AS(detail::need_device_memory("f", there.data(), bytes, 1), doctest::Contains("is memory of device 0, and the call is for device 1"), error);
  CHECK_THROWS_WITH_AS(detail::need_host_memory("f", there.data(), bytes), doctest::Contains("memory of CUDA device 0"), error);
  const float* gone = there.data();
  there = buffer<float, cuda>();
  CHECK_THROWS_AS(detail::need_device_memory("f", gone, bytes, 0), error);
  CHECK_THROWS_WITH_AS(detail::need_stream("f", ordered_on{nullptr, 1}, 0), "f: the stream is of device 1, and the call is for device 0", error);
  CHECK_NOTHROW(detail::need_stream("f", ordered_on{nullptr, 0}, 0));
  CHECK_THROWS_WITH_AS(detail::need_stream("f", ordered_on{nullptr, 1}, 1), "f: a default stream is the current device's, which is 0, and the call is for device 1",
                       error);
}
