#include <tutti/base/config.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>

TEST_CASE("the version is the project's") {
  char text[32];
  std::snprintf(text, sizeof text, "%d.%d.%d", tutti::version.major, tutti::version.minor, tutti::version.patch);
  CHECK(std::strcmp(text, TUTTI_PROJECT_VERSION) == 0);
}
