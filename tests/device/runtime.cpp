#include <tutti/device/runtime.hpp>

#include <doctest/doctest.h>

#include <tutti/device/gpu.hpp>

using namespace tutti;

TEST_CASE("without a device, everything that would need one says so") {
  const std::string why = why_no_device();
  CAPTURE(why);
  CHECK(why.find("looking for CUDA devices: ") == 0);
  auto refused = [](const char* doing, auto body) {
    try {
      body();
      FAIL_CHECK("not refused");
    } catch (const error& e) {
      CAPTURE(e.what());
      CHECK(e.code() == errc::device);
      CHECK(std::string(e.what()).find(doing) == 0);
    }
  };
  refused("looking for CUDA devices", [] { gpu(0); });
  refused("taking device memory", [] { buffer<float, cuda>(100); });
  refused("taking pinned memory", [] { buffer<float, pinned>(100); });
  refused("asking for the current device", [] { device_stream(0); });
  refused("asking a stream for its device", [] { on(cudaStream_t{}); });
  CHECK(buffer<float, cuda>(0).empty());
}

TEST_CASE("a device's answer becomes a sentence, and more memory than there is says how much there is") {
  CHECK_THROWS_WITH_AS(gpu(1000), doctest::Contains("there is no CUDA device 1000 here"), error);
  CHECK_THROWS_WITH_AS(detail::check_device(cudaErrorInvalidValue, "trying"), "trying: invalid argument (cudaErrorInvalidValue)", error);
  CHECK_THROWS_WITH_AS((buffer<std::byte, cuda>(std::size_t{1} << 50)), doctest::Contains("1125899906842624 bytes are more than there are: device 0 has"),
                       error);
  CHECK(::cudaGetLastError() == cudaSuccess);
}
