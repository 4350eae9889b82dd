#pragma once
#include <cstddef>

#include <tutti/kernel/shape.hpp>

namespace tutti {

/// What a network looks at, and how many classes it tells apart.
struct pictures {
  std::size_t channels = 3, depth = 0, height = 32, width = 32, classes = 10;  ///< without depth it is 0

  constexpr shape sample() const {
    if (depth == 0) return {{"channels", channels}, {"height", height}, {"width", width}};
    return {{"channels", channels}, {"depth", depth}, {"height", height}, {"width", width}};
  }
  friend constexpr bool operator==(const pictures&, const pictures&) = default;
};

inline constexpr pictures mnist_pictures{.channels = 1, .height = 28, .width = 28, .classes = 10};
inline constexpr pictures cifar_pictures{.channels = 3, .height = 32, .width = 32, .classes = 10};
inline constexpr pictures imagenet_pictures{.channels = 3, .height = 224, .width = 224, .classes = 1000};
/// Which of 32³ places an object fills (Wu and others, 3D ShapeNets, 2015).
inline constexpr pictures modelnet_voxels{.channels = 1, .depth = 32, .height = 32, .width = 32, .classes = 40};

}  // namespace tutti
