#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/kernel/random.hpp>

namespace tutti {

/// How training pictures are varied from epoch to epoch.
struct augmentation {
  bool flip = false;     ///< about half of them, left to right
  std::size_t crop = 0;  ///< each moved by up to so many places up or down, left or right; what comes in is black
  friend constexpr bool operator==(const augmentation&, const augmentation&) = default;
};

/// What becomes of one picture: place (row, column) shows (row + down, column +
/// across) of the picture, or of its mirror image.
struct variation {
  bool mirrored = false;
  std::ptrdiff_t down = 0, across = 0;
  friend constexpr bool operator==(const variation&, const variation&) = default;
};

/// A function of seed, epoch and the sample's number in its data set, and so the
/// same on whichever rank and in whichever batch.
constexpr variation variation_of(const augmentation& how, std::uint64_t seed, std::size_t epoch, std::size_t sample) {
  const random_stream random{.seed = seed, .purpose = ~std::uint64_t{epoch}};  // epochs themselves number the orders of samples
  auto shift = [&](std::uint64_t which) {
    return static_cast<std::ptrdiff_t>(random.below(3 * sample + which, 2 * how.crop + 1)) - static_cast<std::ptrdiff_t>(how.crop);
  };
  return {.mirrored = how.flip && random.below(3 * sample, 2) == 1, .down = shift(1), .across = shift(2)};
}

}  // namespace tutti
