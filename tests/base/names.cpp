#include <tutti/base/names.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <tutti/base/operations.hpp>

namespace {
struct own {};
template <int N>
struct numbered {};

TEST_CASE("a type's name is what the compiler writes") {
  CHECK(tutti::type_name<float> == "float");
  CHECK(tutti::type_name<int> == "int");
  CHECK(tutti::type_name<tutti::plus> == "tutti::plus");
  CHECK(tutti::type_name<std::vector<int>>.find("vector<int") != std::string::npos);
  CHECK(tutti::type_name<own>.find("own") != std::string::npos);
}

TEST_CASE("different types have different names, the same type one") {
  static_assert(tutti::type_name<float> != tutti::type_name<double>);
  static_assert(tutti::type_name<std::int32_t> != tutti::type_name<std::uint32_t>);
  static_assert(tutti::type_name<numbered<1>> != tutti::type_name<numbered<2>>);
  static_assert(tutti::type_name<std::int32_t> == tutti::type_name<int>);
  CHECK(tutti::type_name<const int> != tutti::type_name<int>);
}

struct nameless {
  int operator()(int a, int) const { return a; }
};

TEST_CASE("an operation is called by its own name, or else its type's") {
  CHECK(tutti::operation_name<tutti::plus> == "sum");
  CHECK(tutti::operation_name<nameless>.find("nameless") != std::string::npos);
}

}  // namespace
