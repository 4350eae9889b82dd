#include <tutti/base/span.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using tutti::span;

TEST_CASE("a span views whatever has data and size") {
  std::vector<int> v{1, 2, 3};
  span<int> all = v;
  all[1] = 20;
  CHECK(v[1] == 20);
  CHECK(all.size() == 3);
  CHECK(all.end() - all.begin() == 3);

  const std::array<int, 2> fixed{4, 5};
  span<const int> constant = fixed;
  CHECK(constant[1] == 5);
  span<const int> from_span = all;
  CHECK(from_span.data() == v.data());
  CHECK(span<const char>(std::string("abc")).size() == 3);

  span<int> part = all.subspan(1, 2);
  CHECK(part.size() == 2);
  CHECK(part.data() == v.data() + 1);
  CHECK(all.subspan(3, 0).empty());
  CHECK(span<int>{}.empty());
  CHECK(span<int>{}.data() == nullptr);
}

TEST_CASE("element and space are deduced") {
  std::vector<double> v(2);
  const std::vector<double>& constant = v;
  static_assert(std::is_same_v<decltype(span(v)), span<double>>);
  static_assert(std::is_same_v<decltype(span(constant)), span<const double>>);
  span<float, tutti::cuda> device(nullptr, 0);
  static_assert(std::is_same_v<decltype(span(device)), span<float, tutti::cuda>>);
  CHECK(device.empty());
}

TEST_CASE("what does not fit does not convert") {
  static_assert(!std::is_convertible_v<const std::vector<int>&, span<int>>);
  static_assert(!std::is_convertible_v<std::vector<int>&, span<double>>);
  static_assert(!std::is_convertible_v<int*, span<int>>);
  static_assert(std::is_convertible_v<span<int, tutti::cuda>, span<const int, tutti::cuda>>);
  CHECK(std::is_convertible_v<std::vector<int>&, span<const int>>);
}

TEST_CASE("the bytes of a value are its representation") {
  std::uint32_t value = 0x01020304;
  tutti::bytes_view bytes = tutti::bytes_of(value);
  REQUIRE(bytes.size() == sizeof value);
  CHECK(std::memcmp(bytes.data(), &value, sizeof value) == 0);
  CHECK(static_cast<const void*>(bytes.data()) == &value);
}

}  // namespace

TEST_CASE("pinned memory is the host's as well") {
  struct pinned_floats {
    using space = tutti::pinned;
    float* data() const { return at; }
    std::size_t size() const { return 2; }
    float* at;
  };
  float numbers[2] = {1, 2};
  const tutti::span<float> s(pinned_floats{numbers});
  CHECK(s[1] == 2.0f);
}
