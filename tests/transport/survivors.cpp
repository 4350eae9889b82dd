#include <tutti/transport/survivors.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <type_traits>

TEST_CASE("a survivor that is lost is a reason to try again, not an error of the program's") {
  static_assert(!std::is_base_of_v<std::runtime_error, tutti::survivor_lost>);
  CHECK(std::string(tutti::survivor_lost().what()) == "another rank was lost while the survivors joined");
}
