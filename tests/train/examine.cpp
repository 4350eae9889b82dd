#include <tutti/train/examine.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("a picture that cannot be written is refused with its path") {
  CHECK(!examination{}.any());
  CHECK_THROWS_WITH_AS(detail::write_file("no/such/folder/drawn.svg", ""), "no/such/folder/drawn.svg: cannot be written: No such file or directory", error);
}
