#include <tutti/device/range.hpp>

#include <doctest/doctest.h>

TEST_CASE("ranges nest, with a profiler and without a device alike") {
  const tutti::device_range outer("outer");
  CHECK(::nvtxRangePushA("inner") == ::nvtxRangePop());
}
