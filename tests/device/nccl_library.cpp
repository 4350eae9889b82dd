#include <tutti/device/nccl_library.hpp>

#include <doctest/doctest.h>

#include <cstdlib>

#include "../comm/stand_in_nccl.hpp"

using namespace tutti;

namespace {

std::string refusal(const std::string& setting) {
  try {
    const nccl_library loaded(setting);
  } catch (const error& e) {
    CHECK(e.code() == errc::not_supported);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("it is what the program names, else what TUTTI_NCCL names, and says its version") {
  const nccl_library named(STAND_IN_NCCL);
  CHECK(named.version() == 22100);
  CHECK(named.path() == STAND_IN_NCCL);
  ::setenv("TUTTI_NCCL", STAND_IN_NCCL_OTHER, 1);
  CHECK(nccl_library("").version() == 21805);
  CHECK(nccl_library(STAND_IN_NCCL).version() == 22100);
  ::setenv("TUTTI_NCCL", "off", 1);
  CHECK(refusal("") == "NCCL is off, as TUTTI_NCCL or the program says");
  ::unsetenv("TUTTI_NCCL");
  CHECK(refusal("off") == "NCCL is off, as TUTTI_NCCL or the program says");
  // An empty one names nothing, as none: what is taken then need not be here.
  const auto taken = [] {
    try {
      return nccl_library("").path();
    } catch (const error& e) {
      return std::string(e.what());
    }
  };
  const std::string unset = taken();
  CHECK(unset.find("libnccl.so.2") != std::string::npos);
  ::setenv("TUTTI_NCCL", "", 1);
  CHECK(taken() == unset);
  CHECK(nccl_library(STAND_IN_NCCL).version() == 22100);
  ::unsetenv("TUTTI_NCCL");
}

TEST_CASE("a library that is not there, is too old or lacks a function is refused by name") {
  CHECK(refusal("/nowhere/libnccl.so.2") ==
        "NCCL is not here: /nowhere/libnccl.so.2: cannot open shared object file: No such file or directory");
  stand_in::tell(STAND_IN_NCCL, {.version = 2804});
  CHECK(refusal(STAND_IN_NCCL) == "NCCL 2.8.4, loaded from " STAND_IN_NCCL ", is too old: it takes 2.14.0 or newer");
  stand_in::tell(STAND_IN_NCCL, {.version = 21304});
  CHECK(refusal(STAND_IN_NCCL) == "NCCL 2.13.4, loaded from " STAND_IN_NCCL ", is too old: it takes 2.14.0 or newer");
  stand_in::tell(STAND_IN_NCCL, {.version = 22100});
  CHECK(refusal(STAND_IN_NCCL_LACKS) == STAND_IN_NCCL_LACKS " is no NCCL that can be used: it has no ncclReduce");
}

TEST_CASE("what a function answers is an error with its name and NCCL's own words") {
  const nccl_library loaded(STAND_IN_NCCL);
  loaded.check(nccl::result::success, "ncclAllReduce");
  loaded.check_begun(nccl::result::success, "ncclAllReduce");
  loaded.check_begun(nccl::result::in_progress, "ncclAllReduce");
  CHECK_THROWS_AS(loaded.check_begun(nccl::result::system_error, "ncclAllReduce"), error);
  CHECK_THROWS_AS(loaded.check(nccl::result::in_progress, "ncclAllReduce"), error);
  try {
    loaded.check(nccl::result::system_error, "ncclAllReduce");
    FAIL("no error");
  } catch (const error& e) {
    CHECK(e.code() == errc::device);
    CHECK(e.what() == std::string("ncclAllReduce: the stand-in was told to fail (NCCL 2.21.0, result 2)"));
  }
  stand_in::tell(STAND_IN_NCCL, {.fails = "ncclGetVersion"});
  try {
    const nccl_library again(STAND_IN_NCCL);
    FAIL("no error");
  } catch (const error& e) {
    CHECK(e.code() == errc::device);
    CHECK(std::string(e.what()).find("ncclGetVersion: the stand-in was told to fail") == 0);
  }
  stand_in::tell(STAND_IN_NCCL);
}

TEST_CASE("versions are written as people write them") {
  CHECK(nccl::version_text(2708) == "2.7.8");
  CHECK(nccl::version_text(21003) == "2.10.3");
  CHECK(nccl::version_text(23007) == "2.30.7");
}
