#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>

namespace benchmarks {

// Operands whose reduction is exact in every element type and in any order, so
// that results are compared for equality: sums and products are small whole
// numbers at every stage, which even bfloat16 (8 bits) and char hold.

/// The types and operations that the command line names.
inline constexpr const char* type_names[] = {"char", "int", "int64", "uint64", "half", "bfloat16", "float", "double"};
inline constexpr const char* operation_names[] = {"sum", "prod", "min", "max"};

/// Calls `use(T{})` with the type of that name.
template <class Use>
void with_type(const std::string& name, Use use) {
  if (name == "char") use(std::int8_t{});
  else if (name == "int") use(std::int32_t{});
  else if (name == "int64") use(std::int64_t{});
  else if (name == "uint64") use(std::uint64_t{});
  else if (name == "half") use(tutti::half{});
  else if (name == "bfloat16") use(tutti::bfloat16{});
  else if (name == "float") use(float{});
  else if (name == "double") use(double{});
  else throw tutti::error(tutti::errc::invalid_argument, tutti::format("'%s' is no type", name.c_str()));
}

/// Calls `use(op)` with the operation of that name.
template <class Use>
void with_operation(const std::string& name, Use use) {
  if (name == "sum") use(tutti::plus{});
  else if (name == "prod") use(tutti::multiplies{});
  else if (name == "min") use(tutti::minimum{});
  else if (name == "max") use(tutti::maximum{});
  else throw tutti::error(tutti::errc::invalid_argument, tutti::format("'%s' is no operation", name.c_str()));
}

/// A number that looks random and is the same everywhere.
constexpr std::uint32_t scrambled(std::uint64_t a, std::uint64_t b) {
  std::uint64_t x = a * 0x9e3779b97f4a7c15u ^ (b + 0x7f4a7c15u) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 29)) * 0x94d049bb133111ebu;
  return static_cast<std::uint32_t>(x >> 32);
}

/// All whole numbers up to it, of either sign, are exact in bfloat16 and char.
inline constexpr int exact_up_to = 127;

/// One rank's operand at a place of the table, for a reduction over `ranks`.
template <class T, class Op>
constexpr T operand(Op, int ranks, int rank, std::size_t place, std::uint64_t seed) {
  const std::uint32_t random = scrambled(seed << 32 | place, static_cast<std::uint64_t>(rank));
  if constexpr (std::is_same_v<Op, tutti::plus>) {
    // The sum of all ranks stays in bounds. Beyond 127 ranks not all can hold
    // something: who does changes from place to place.
    const int most = exact_up_to / ranks;
    if (most > 0) return static_cast<T>(static_cast<float>(random % static_cast<std::uint32_t>(most + 1)));
    const auto from = scrambled(seed, place) % static_cast<std::uint32_t>(ranks);
    const auto distance = (static_cast<std::uint32_t>(rank) + static_cast<std::uint32_t>(ranks) - from) % static_cast<std::uint32_t>(ranks);
    return static_cast<T>(distance < exact_up_to ? 1.0f : 0.0f);
  } else if constexpr (std::is_same_v<Op, tutti::multiplies>) {
    // At most six twos, the rest ones.
    int twos = 0;
    for (std::uint64_t i = 0; i < 6; ++i)
      twos |= scrambled(seed << 32 | place, 1000003 + i) % static_cast<std::uint32_t>(ranks) == static_cast<std::uint32_t>(rank);
    return static_cast<T>(twos ? 2.0f : 1.0f);
  } else {
    return static_cast<T>(static_cast<float>(random % (exact_up_to + 1)));
  }
}

/// What element i of every rank holds before, and of the result after, a call.
/// Elements draw from a table by a hash of their number, so that a piece that
/// arrives in the wrong place is noticed, and 64 MiB take milliseconds.
template <class T>
struct operands {
  using table = std::array<T, 4096>;

  std::vector<table> of;         ///< by rank
  std::vector<table> folded_to;  ///< of the ranks up to each
  table folded{};                ///< of all ranks

  static std::size_t place_of(std::size_t element) {
    return static_cast<std::size_t>((element + 1) * 0x9e3779b97f4a7c15u >> 52);
  }
  /// Elements `first`, `first` + 1, … of the vector, drawn from `t`.
  static void fill(tutti::span<T> to, const table& t, std::size_t first = 0) {
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = t[place_of(first + i)];
  }
  static std::size_t count_wrong(tutti::span<const T> found, const table& t, std::size_t first = 0) {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < found.size(); ++i) wrong += std::memcmp(&found[i], &t[place_of(first + i)], sizeof(T)) != 0;
    return wrong;
  }
};

/// Operands for a reduction by `Op`; others with every seed.
template <class T, class Op>
operands<T> make_operands(int ranks, std::uint64_t seed) {
  operands<T> made;
  made.of.resize(static_cast<std::size_t>(ranks));
  for (int r = 0; r < ranks; ++r) {
    auto& mine = made.of[static_cast<std::size_t>(r)];
    for (std::size_t place = 0; place < mine.size(); ++place) {
      mine[place] = operand<T>(Op{}, ranks, r, place, seed);
      made.folded[place] = r == 0 ? mine[place] : Op{}(made.folded[place], mine[place]);
    }
    made.folded_to.push_back(made.folded);
  }
  return made;
}

}  // namespace benchmarks
