#include <tutti/device/copy.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace tutti;

TEST_CASE("a streamed copy is a copy, wherever it begins and however short it is") {
  std::vector<std::byte> from(1000), to(1000);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
  for (std::size_t begin : {0u, 1u, 15u, 64u, 100u})
    for (std::size_t shift : {0u, 3u, 64u})
      for (std::size_t n : {0u, 1u, 63u, 64u, 65u, 200u, 700u}) {
        to.assign(to.size(), std::byte{0});
        stream_copy(to.data() + begin, from.data() + shift, n);
        end_streaming();
        bool right = true;
        for (std::size_t i = 0; i < to.size(); ++i)
          right &= to[i] == (i >= begin && i < begin + n ? from[shift + i - begin] : std::byte{0});
        CAPTURE(begin);
        CAPTURE(shift);
        CAPTURE(n);
        CHECK(right);
      }
}
