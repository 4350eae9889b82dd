#pragma once
#include <cstddef>
#include <cstdint>

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
