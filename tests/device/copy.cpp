#include <tutti/device/copy.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace tutti;

TEST_CASE("a short copy is a copy, and touches nothing around it") {
  std::vector<std::byte> from(64), to(64);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = static_cast<std::byte>(i * 7 + 1);
  for (std::size_t n = 0; n <= 40; ++n) {
    to.assign(to.size(), std::byte{0});
    copy_short(to.data() + 3, from.data() + 1, n);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < to.size(); ++i) wrong += to[i] != (i >= 3 && i < n + 3 ? from[i - 2] : std::byte{0});
    CAPTURE(n);
    CHECK(wrong == 0);
  }
}

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
