#pragma once
#include <cstddef>
#include <string_view>

namespace tutti {

namespace detail {
template <class T>
constexpr std::string_view raw_type_name() {
  std::string_view text = __PRETTY_FUNCTION__;
  const std::size_t begin = text.find("T = ") + 4;
  const std::size_t semicolon = text.find(';', begin), bracket = text.rfind(']');
  return text.substr(begin, (semicolon < bracket ? semicolon : bracket) - begin);
}
}  // namespace detail

/// A type as the compiler writes it: `float`, `long unsigned int`.
template <class T>
inline constexpr std::string_view type_name = detail::raw_type_name<T>();

/// The name of an operation: its own, where it has one, otherwise its type's.
template <class Op>
inline constexpr std::string_view operation_name = [] {
  if constexpr (requires { std::string_view(Op::name); }) return std::string_view(Op::name);
  else return type_name<Op>;
}();

}  // namespace tutti
