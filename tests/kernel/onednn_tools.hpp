#pragma once
#include <cmath>
#include <limits>
#include <vector>

#include <tutti/kernel/onednn_context.hpp>

#include "data.hpp"

/// A tensor with row-major values in it.
inline tutti::onednn::tensor filled(tutti::onednn::context& c, const tutti::onednn::memory_format& f,
                                    std::vector<float> values) {
  tutti::onednn::tensor plain(c, f.row_major(), values.data()), result(c, f);
  tutti::onednn::copy(c, plain, result);
  return result;
}

/// Row-major pictures of a geometry, with depth where it has some.
template <class Geometry>
tutti::onednn::memory_format pictures_of(const Geometry& g) {
  if (g.depth > 1) return tutti::onednn::memory_format::row_major({{"n", g.batch}, {"c", g.channels}, {"d", g.depth}, {"h", g.height}, {"w", g.width}});
  return tutti::onednn::memory_format::row_major({{"n", g.batch}, {"c", g.channels}, {"h", g.height}, {"w", g.width}});
}

/// Its values, row-major.
inline std::vector<float> values_of(tutti::onednn::context& c, const tutti::onednn::tensor& t, std::size_t count) {
  std::vector<float> values(count);
  tutti::onednn::tensor plain(c, t.format().row_major(), values.data());
  tutti::onednn::copy(c, t, plain);
  return values;
}

inline std::vector<double> wide(const std::vector<float>& values) { return {values.begin(), values.end()}; }

inline std::vector<double> sizes_of(const std::vector<float>& values) {
  std::vector<double> all;
  for (float v : values) all.push_back(std::abs(static_cast<double>(v)));
  return all;
}

/// The largest error as a part of what rounding may cause: at most 1. A sum of
/// n products in any order, each product and each partial sum rounded to a
/// float or not at all, is off by at most γ·Σ|product|, γ = nu / (1 − nu),
/// u = 2⁻²⁴ (Higham, Accuracy and stability of numerical algorithms, 2002,
/// section 3.1); the reference is off by the same with u = 2⁻⁵³.
inline double worst_error(const std::vector<float>& got, const std::vector<double>& exact,
                          const std::vector<double>& magnitude, std::size_t summands) {
  auto gamma = [&](double u) {
    double nu = static_cast<double>(summands) * u;
    return nu / (1 - nu);
  };
  const double allowed = gamma(0x1p-24) + gamma(0x1p-53);
  double worst = got.size() == exact.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < got.size() && i < exact.size(); ++i) {
    const double error = std::abs(static_cast<double>(got[i]) - exact[i]), bound = allowed * magnitude[i];
    if (!(error <= bound)) worst = std::max(worst, bound > 0 ? error / bound : std::numeric_limits<double>::infinity());
    else if (bound > 0) worst = std::max(worst, error / bound);
  }
  return worst;
}
