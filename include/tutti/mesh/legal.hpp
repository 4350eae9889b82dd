#pragma once
#include <cstddef>
#include <string_view>

#include <tutti/base/sentence.hpp>
#include <tutti/mesh/planner.hpp>

namespace tutti {

/// A literal as a template's argument.
template <std::size_t Size>
struct literal {
  char text[Size] = {};
  consteval literal(const char (&from)[Size]) {  // NOLINT: a literal is one
    for (std::size_t i = 0; i < Size; ++i) text[i] = from[i];
  }
  constexpr std::string_view view() const { return {text, Size - 1}; }
};

/// Why a mesh is not one of so many ranks; empty where it is.
constexpr sentence why_not_ranks(const mesh& on, int ranks) {
  if (on.size() == ranks) return {};
  return {"the mesh '{}' has {} ranks, and there are {}; the sizes of its axes must multiply to {}", {on, on.size(), ranks, ranks}};
}

/// Why a tensor cannot be given to a function of its elements that is not linear, as
/// it lies; empty where it can.
constexpr sentence why_not_whole(const shape& whole, const placement& at, const mesh& on) {
  for (int axis = 0; axis < on.axes(); ++axis)
    if (at.partial_on(axis))
      return {"{} is a sum over '{}': what is not linear needs it added up first", {whole, on[axis].what}};
  return {};
}

/// Why a network cannot be cut over a mesh by a layout, in the sentence that
/// `plan_network` throws; empty where it can.
constexpr sentence why_illegal(const operation_list& net, const layout& rules, const mesh& on) {
  for (const sentence* refused : {&net.refused(), &on.refused(), &rules.refused()})
    if (!refused->empty()) return *refused;
  return detail::planning(net.all(), rules, on, {}).refused();
}

/// Of constants, or in a `static_assert` without words.
constexpr bool legal(const operation_list& net, const layout& rules, const mesh& on) { return why_illegal(net, rules, on).empty(); }

namespace detail {

template <auto Net, literal Rules, literal Mesh, int Ranks>
constexpr sentence why_illegal_program() {
  const mesh on = mesh::parse(Mesh.view());
  const sentence why = why_illegal(Net(), layout(Rules.view()), on);
  return !why.empty() || Ranks == 0 ? why : why_not_ranks(on, Ranks);
}

}  // namespace detail

/// Whether a program can be: `static_assert(legal_program<net, "batch:data", "data=2">)`.
/// `Net` is a constexpr function without arguments that gives an `operation_list`. Where
/// it cannot, it does not compile, and the compiler shows the sentence that
/// `plan_network` would throw. `Ranks`, unless 0, is how many there are.
template <auto Net, literal Rules, literal Mesh, int Ranks = 0>
inline constexpr bool legal_program = possible<&detail::why_illegal_program<Net, Rules, Mesh, Ranks>>;

}  // namespace tutti
