#include <tutti/base/space.hpp>

#include <doctest/doctest.h>

#include <string>

TEST_CASE("a memory space is a type with a name") {
  static_assert(tutti::memory_space<tutti::host> && tutti::memory_space<tutti::cuda>);
  static_assert(!tutti::memory_space<int>);
  CHECK(std::string(tutti::host::name) == "host");
  CHECK(std::string(tutti::cuda::name) == "cuda");
  CHECK(std::string(tutti::pinned::name) == "pinned");
  static_assert(tutti::on_host<tutti::host> && tutti::on_host<tutti::pinned> && !tutti::on_host<tutti::cuda>);
}
