#include <tutti/kernel/shape.hpp>

#include <doctest/doctest.h>

using tutti::name;
using tutti::shape;

TEST_CASE("A shape knows its dimensions by name, in the compiler too") {
  constexpr shape s{{"batch", 3}, {"channels", 5}};
  static_assert(s.of("channels") == 5 && s.elements() == 15 && s.rank() == 2 && s.has("batch") && !s.has("units"));
  static_assert(shape{}.elements() == 1 && shape{{"batch", 0}, {"units", 9}}.elements() == 0);
  static_assert(s == shape{{"batch", 3}, {"channels", 5}} && !(s == shape{{"batch", 3}, {"features", 5}}) &&
                !(s == shape{{"batch", 3}}));
  CHECK(s.text() == "(batch 3, channels 5)");
}

TEST_CASE("What a shape cannot say is an error that names it") {
  CHECK_THROWS_WITH_AS((void)shape({{"batch", 3}}).of("units"), "(batch 3) has no dimension 'units'", tutti::error);
  shape full{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}, {"f", 1}};
  CHECK_THROWS_WITH_AS(full.append({"g", 1}), "a shape of more than 6 dimensions", tutti::error);
  CHECK(name(std::string_view("abcdefghijklmnopqrstuvwxyz12345")).text().size() == name::capacity);
  CHECK_THROWS_AS(name(std::string_view("abcdefghijklmnopqrstuvwxyz123456")), tutti::error);
}

TEST_CASE("names are put together") {
  static_assert(name("conv") + 3 + "_" + 10 + "a" == name("conv3_10a"));
  CHECK_THROWS_AS((void)(name("abcdefghijklmnopqrstuvwxyz") + "abcdef"), tutti::error);
}
