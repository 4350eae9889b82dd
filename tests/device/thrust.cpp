#include <tutti/device/thrust.hpp>

#include <doctest/doctest.h>

#include "elementwise_cases.hpp"

TEST_CASE("fold, scale, convert, update, quantise and gather on the host do what plain loops do, bit by bit") {
  elementwise_cases::on_host machine;
  for (std::size_t n : elementwise_cases::sizes)
    for (std::size_t shift : {std::size_t{0}, std::size_t{1}, std::size_t{3}}) {
      CAPTURE(n);
      CAPTURE(shift);
      elementwise_cases::check_all(machine, n, shift);
    }
  elementwise_cases::check_conversions(machine);
}

TEST_CASE("sizes that do not fit are refused") {
  using namespace tutti;
  std::vector<float> a(3), b(4);
  std::vector<std::int8_t> q(3);
  using elementwise::here;
  CHECK_THROWS_WITH_AS(elementwise::fold(span<float>(a), span<float>(b), span<float>(a), plus{}, here{}), "fold: 3 elements and 4", error);
  CHECK_THROWS_AS(elementwise::quantise<host>(q, b, 1, here{}), error);
  CHECK_THROWS_AS(elementwise::gather_rows(span<float>(b), span<float>(a), 2, 2, here{}), error);
  CHECK_THROWS_AS(elementwise::gather_rows(span<float>(a), span<float>(b), 2, 2, here{}), error);
}
