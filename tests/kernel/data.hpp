#pragma once
#include <cstddef>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/random.hpp>
#include <tutti/mesh/halo.hpp>

#include "modular.hpp"

/// Numbers for a test: field elements anywhere, floats and doubles in [−1, 1)
/// that a float holds.
template <class T>
std::vector<T> some(std::size_t count, std::uint64_t seed) {
  tutti::random_stream random{.seed = seed, .purpose = 99};
  std::vector<T> all(count);
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (requires { T::prime; }) all[i] = T(random.at(i));
    else all[i] = static_cast<T>(static_cast<float>(2 * random.uniform(i) - 1));
  }
  return all;
}

template <class T>
T inner_product(const std::vector<T>& a, const std::vector<T>& b) {
  T sum{};
  for (std::size_t i = 0; i < a.size(); ++i) sum = static_cast<T>(sum + a[i] * b[i]);
  return sum;
}

/// Odd and uneven in every way: batch 0 (the first of each list, for naive kernels only) and 1, strides that leave a rest,
/// padding on one side, dilation, more filters than a vector holds.
inline const std::vector<tutti::convolution_geometry> odd_convolutions = {
    {.batch = 0, .channels = 3, .height = 5, .width = 4, .filters = 2, .down = {.size = 3}, .across = {.size = 2}},
    {.batch = 1, .channels = 1, .height = 1, .width = 1, .filters = 1},
    {.batch = 1,
     .channels = 1,
     .height = 28,
     .width = 28,
     .filters = 16,
     .down = {.size = 5, .pad_low = 2, .pad_high = 2},
     .across = {.size = 5, .pad_low = 2, .pad_high = 2}},
    {.batch = 3,
     .channels = 5,
     .height = 7,
     .width = 11,
     .filters = 7,
     .down = {.size = 3, .stride = 2},
     .across = {.size = 4, .stride = 3, .pad_low = 1}},
    {.batch = 2,
     .channels = 17,
     .height = 9,
     .width = 6,
     .filters = 19,
     .down = {.size = 2, .pad_high = 1, .dilation = 3},
     .across = {.size = 3, .pad_low = 2, .pad_high = 1, .dilation = 2}},
    {.batch = 7,
     .channels = 16,
     .height = 8,
     .width = 5,
     .filters = 33,
     .down = {.size = 1, .stride = 2},
     .across = {.size = 5, .stride = 4, .pad_low = 2, .pad_high = 3}},
    {.batch = 5,
     .channels = 2,
     .height = 3,
     .width = 13,
     .filters = 3,
     .down = {.size = 5, .stride = 3, .pad_low = 2, .pad_high = 4},
     .across = {.size = 7, .stride = 2, .dilation = 2}},
    {.batch = 2,
     .channels = 6,
     .height = 7,
     .width = 5,
     .filters = 9,
     .down = {.size = 3, .stride = 2, .pad_low = 1},
     .across = {.size = 2},
     .groups = 3},
    {.batch = 3, .channels = 17, .height = 5, .width = 6, .filters = 17, .down = {.size = 3}, .across = {.size = 3}, .groups = 17},
    {.batch = 1, .channels = 32, .height = 4, .width = 4, .filters = 64, .down = {.size = 2}, .across = {.size = 3, .pad_low = 1}, .groups = 2},
    {.batch = 2,
     .channels = 3,
     .depth = 5,
     .height = 4,
     .width = 6,
     .filters = 5,
     .through = {.size = 3, .stride = 2, .pad_low = 1},
     .down = {.size = 2, .pad_high = 1, .dilation = 2},
     .across = {.size = 3, .pad_low = 2, .pad_high = 1}},
    {.batch = 1, .channels = 16, .depth = 4, .height = 5, .width = 6, .filters = 32, .through = {.size = 3, .pad_low = 1}, .down = {.size = 3}, .across = {.size = 3}},
    {.batch = 2,
     .channels = 6,
     .depth = 3,
     .height = 5,
     .width = 4,
     .filters = 9,
     .through = {.size = 2, .dilation = 2},
     .down = {.size = 3, .stride = 2, .pad_low = 1},
     .across = {.size = 2},
     .groups = 3},
};

/// A convolution's outputs in boxes, one for each quarter of its pictures that reads something.
inline std::vector<tutti::partial_convolution> quarters(const tutti::convolution_geometry& g) {
  std::vector<tutti::partial_convolution> all;
  auto halves = [](std::size_t n) { return std::vector<tutti::share>{{0, n / 2}, {n / 2, n - n / 2}}; };
  auto cut = [](const tutti::window& w, tutti::share made, std::size_t inputs, tutti::share& read, std::size_t& size, tutti::window& local) {
    read = read_by(w, made, inputs), size = read.count, local = local_window(w, made, inputs);
  };
  for (tutti::share rows : halves(g.out_height()))
    for (tutti::share columns : halves(g.out_width())) {
      tutti::partial_convolution p{.part = g, .makes = {{0, g.out_depth()}, rows, columns}};
      cut(g.through, p.makes.depth, g.depth, p.reads.depth, p.part.depth, p.part.through);
      cut(g.down, rows, g.height, p.reads.height, p.part.height, p.part.down);
      cut(g.across, columns, g.width, p.reads.width, p.part.width, p.part.across);
      if (p.part.places() > 0) all.push_back(p);
    }
  return all;
}

inline const std::vector<tutti::pool_geometry> odd_pools = {
    {.batch = 0,
     .channels = 3,
     .height = 4,
     .width = 4,
     .down = {.size = 2, .stride = 2},
     .across = {.size = 2, .stride = 2}},
    {.batch = 1, .channels = 1, .height = 1, .width = 1},
    {.batch = 1,
     .channels = 16,
     .height = 28,
     .width = 28,
     .down = {.size = 2, .stride = 2},
     .across = {.size = 2, .stride = 2}},
    {.batch = 3,
     .channels = 5,
     .height = 7,
     .width = 9,
     .down = {.size = 3, .stride = 2},
     .across = {.size = 2, .stride = 3}},
    {.batch = 2,
     .channels = 19,
     .height = 5,
     .width = 8,
     .down = {.size = 3, .stride = 1, .pad_low = 1, .pad_high = 2},
     .across = {.size = 4, .stride = 3, .pad_low = 2}},
    {.batch = 5,
     .channels = 33,
     .height = 9,
     .width = 3,
     .down = {.size = 5, .stride = 4, .pad_high = 1},
     .across = {.size = 3}},
    {.batch = 2,
     .channels = 5,
     .depth = 5,
     .height = 4,
     .width = 6,
     .through = {.size = 3, .stride = 2, .pad_low = 1},
     .down = {.size = 2, .stride = 2},
     .across = {.size = 2, .pad_high = 1}},
    {.batch = 1, .channels = 16, .depth = 4, .height = 4, .width = 6, .through = {.size = 2, .stride = 2}, .down = {.size = 2, .stride = 2}, .across = {.size = 2, .stride = 2}},
};

inline const std::vector<tutti::dense_geometry> odd_denses = {
    {.batch = 0, .channels = 7, .units = 3},
    {.batch = 1, .channels = 1, .units = 1},
    {.batch = 1, .channels = 17, .units = 10},
    {.batch = 3, .channels = 130, .units = 33},
    {.batch = 5, .channels = 5, .height = 3, .width = 7, .units = 11},
    {.batch = 7, .channels = 32, .height = 5, .width = 5, .units = 128},
    {.batch = 2, .channels = 19, .height = 1, .width = 1, .units = 4},
    {.batch = 3, .channels = 16, .depth = 2, .height = 3, .width = 4, .units = 5},
};
