#include <tutti/base/environment.hpp>

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace {

constexpr const char* name = "TUTTI_TEST_NUMBER";

/// What environment_number says to `text`, where it refuses it.
std::string refusal(const char* text, double least = 0, double most = 10) {
  ::setenv(name, text, 1);
  try {
    tutti::environment_number(name, 5, least, most);
  } catch (const tutti::error& e) {
    CHECK(e.code() == tutti::errc::invalid_argument);
    return e.what();
  }
  return "";
}

TEST_CASE("an empty variable is as good as none") {
  ::unsetenv(name);
  CHECK(tutti::environment(name) == nullptr);
  CHECK(tutti::environment_number(name, 5, 0, 10) == 5);
  ::setenv(name, "", 1);
  CHECK(tutti::environment(name) == nullptr);
  CHECK(tutti::environment_number(name, 5, 0, 10) == 5);
  ::setenv(name, "text", 1);
  CHECK(std::string(tutti::environment(name)) == "text");
  ::unsetenv(name);
}

TEST_CASE("a number within its bounds, the bounds included") {
  for (const char* text : {"0", "10", "2.5", "1e1", " 7"}) {
    CAPTURE(text);
    ::setenv(name, text, 1);
    CHECK(tutti::environment_number(name, 5, 0, 10) == std::strtod(text, nullptr));
  }
  ::unsetenv(name);
}

TEST_CASE("anything else is refused in a sentence that names it") {
  CHECK(refusal("11") == "TUTTI_TEST_NUMBER is '11': it takes a number from 0 to 10");
  for (const char* text : {"-1", "10.5", "x", "3x", "3 ", "nan", "inf", "1e999", "--1"}) {
    CAPTURE(text);
    CHECK(refusal(text) == tutti::format("%s is '%s': it takes a number from 0 to 10", name, text));
  }
  ::unsetenv(name);
}

}  // namespace
