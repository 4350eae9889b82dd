#pragma once
#include <cmath>
#include <cstdint>
#include <type_traits>
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/nn/parameter.hpp>

namespace tutti {

/// A number for a name (FNV-1a), the same everywhere.
constexpr std::uint64_t number_of(const name& what) {
  std::uint64_t hash = 14695981039346656037u;
  for (char letter : what.view()) hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211u;
  return hash;
}

/// What a parameter begins with, row-major: weights uniform in ±√(6 / fan-in)
/// (He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015), a bias and a norm's shift
/// 0, its scale 1. Each
/// element is a function of seed, the parameter's name and its own number: the
/// same on every rank, however many there are, and however the tensor is cut.
/// Where elements have no fractions, as those of a field, anything they can be.
template <class T>
std::vector<T> initial_values(const parameter& p, std::uint64_t seed) {
  std::vector<T> values(p.dims.elements(), static_cast<T>(p.constant));
  if (p.fan_in == 0) return values;
  const random_stream random{.seed = seed, .purpose = number_of(p.label)};
  const double bound = std::sqrt(6.0 / static_cast<double>(p.fan_in));
  for (std::size_t i = 0; i < values.size(); ++i)
    if constexpr (std::is_floating_point_v<T>) values[i] = static_cast<T>(bound * (2 * random.uniform(i) - 1));
    else values[i] = static_cast<T>(random.at(i));
  return values;
}

}  // namespace tutti
