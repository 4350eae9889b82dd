#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

#include <tutti/base/span.hpp>
#include <tutti/kernel/random.hpp>

namespace tutti {

/// Which elements of a layer stay in a step (Srivastava, Hinton, Krizhevsky, Sutskever
/// and Salakhutdinov, Dropout: a simple way to prevent neural networks from
/// overfitting, 2014): a pure function of the seed, the step, the layer and the
/// element's number in the whole tensor. Every rank that holds an element knows what
/// becomes of it, backward as well as forward, and nothing is stored or sent.
struct dropout_mask {
  std::uint64_t seed = 0;
  std::uint32_t step = 0, layer = 0;
  double rate = 0;  ///< of elements that go, in [0, 1)

  /// Four elements share the 128 bits of one Philox block.
  constexpr bool keeps(std::uint64_t element) const { return bits(element / 4)[element % 4] >= bound(); }

  /// y = x / (1 − rate) where elements stay and 0 where they go, for elements `first`
  /// and following; in place too. Its own gradient.
  template <class T>
  void apply(std::uint64_t first, span<const T> x, span<T> y) const {
    const T factor = static_cast<T>(1 / (1 - rate));
    const std::uint32_t least = bound();
    std::array<std::uint32_t, 4> four = bits(first / 4);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::uint64_t element = first + i;
      if (element % 4 == 0) four = bits(element / 4);
      y[i] = four[element % 4] >= least ? static_cast<T>(x[i] * factor) : T{};
    }
  }

 private:
  // A layer stands in the upper half of a purpose, where purposes that are small numbers have
  // nothing; those that are hashes meet it as they meet each other, by chance.
  constexpr std::array<std::uint32_t, 4> bits(std::uint64_t block) const {
    return philox({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32), step, layer + 1},
                  {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
  }
  constexpr std::uint32_t bound() const { return static_cast<std::uint32_t>(rate * 0x1p32); }
};

}  // namespace tutti
