#pragma once
#include <cstddef>

#include <tutti/kernel/shape.hpp>

namespace tutti {

/// What a network looks at, and how many classes it tells apart.
struct pictures {
  std::size_t channels = 3, height = 32, width = 32, classes = 10;

  constexpr shape sample() const { return {{"channels", channels}, {"height", height}, {"width", width}}; }
  friend constexpr bool operator==(const pictures&, const pictures&) = default;
};

inline constexpr pictures mnist_pictures{.channels = 1, .height = 28, .width = 28, .classes = 10};
inline constexpr pictures cifar_pictures{.channels = 3, .height = 32, .width = 32, .classes = 10};
inline constexpr pictures imagenet_pictures{.channels = 3, .height = 224, .width = 224, .classes = 1000};

}  // namespace tutti
