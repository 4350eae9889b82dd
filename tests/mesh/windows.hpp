#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/base/share.hpp>
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/random.hpp>

/// Every kernel, stride, dilation and padding that halos are tested with, on every height
/// from 1 to 17 of which the window makes anything: `each(window, height)`.
template <class Each>
void for_each_window(Each each) {
  for (std::size_t size : {1u, 2u, 3u, 5u, 7u})
    for (std::size_t stride : {1u, 2u, 3u})
      for (std::size_t dilation : {1u, 2u})
        for (std::size_t low = 0; low <= (size - 1) * dilation; ++low)
          for (std::size_t high = 0; high <= (size - 1) * dilation; ++high)
            for (std::size_t height = 1; height <= 17; ++height)
              if (const tutti::window w{.size = size, .stride = stride, .pad_low = low, .pad_high = high, .dilation = dilation}; w.outputs(height) > 0)
                each(w, height);
}

/// A window of at most so many taps.
inline tutti::window any_window(std::size_t most, const tutti::random_stream& random, std::uint64_t& next) {
  const std::size_t size = 1 + random.below(next++, most), dilation = 1 + random.below(next++, 2);
  return {.size = size, .stride = 1 + random.below(next++, 3), .pad_low = random.below(next++, (size - 1) * dilation + 1),
          .pad_high = random.below(next++, (size - 1) * dilation + 1), .dilation = dilation};
}

/// `whole` places among `ranks`, cut anywhere.
inline std::vector<tutti::share> cut_anywhere(std::size_t whole, int ranks, const tutti::random_stream& random, std::uint64_t& next) {
  std::vector<std::size_t> bounds{0, whole};
  for (int r = 1; r < ranks; ++r) {
    const std::size_t bound = random.below(next++, whole + 1);
    std::size_t at = bounds.size();
    while (bounds[at - 1] > bound) --at;
    bounds.insert(bounds.begin() + static_cast<std::ptrdiff_t>(at), bound);
  }
  std::vector<tutti::share> all;
  for (int r = 0; r < ranks; ++r) {
    const auto i = static_cast<std::size_t>(r);
    all.push_back({.first = bounds[i], .count = bounds[i + 1] - bounds[i]});
  }
  return all;
}
