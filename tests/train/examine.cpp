#include <tutti/train/examine.hpp>

#include <doctest/doctest.h>

#include <string>

#include "files.hpp"

using namespace tutti;

TEST_CASE("a picture that cannot be written is refused with its path") {
  CHECK(!examination{}.any());
  scratch_folder here;
  const std::string refused = here.path() + "/none/drawn.svg: cannot be written: No such file or directory";
  CHECK_THROWS_WITH_AS(detail::write_file(here.path() + "/none/drawn.svg", ""), refused.c_str(), error);
}
