#include <tutti/device/device_memory.hpp>

#include <doctest/doctest.h>

#include <vector>

#include <tutti/device/transfer.hpp>

using namespace tutti;

TEST_CASE("pinned memory is loaded and stored here, device memory of a pool is there for its stream") {
  buffer<float, pinned> x(1000);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  CHECK(span<float>(x)[999] == 999.0f);
  device_stream stream(0);
  std::vector<float> back(1000, -1.0f);
  {
    stream_pool pool(on(stream));
    buffer<float, cuda> y(pool, 1000), none(pool, 0);
    CHECK(none.data() == nullptr);
    transfer(y, x, on(stream));
    transfer(back, y, on(stream));
    buffer<float, cuda> moved = std::move(y);
    CHECK(moved.size() == 1000);
  }
  stream.wait();
  CHECK(back == std::vector<float>(x.begin(), x.end()));
}
