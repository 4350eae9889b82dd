#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/mesh/block.hpp>
#include <tutti/train/loader.hpp>

namespace tutti {

/// Reads the block of a batch that a rank needs: some samples, and of each some places.
class block_reader {
 public:
  /// `needed` is of the whole batch (samples, …) of which each sample has the sizes
  /// `sample`, into (n), row-major.
  void read(const block& needed, const shape& sample, span<const std::uint32_t> samples, const sample_reader& reader, span<float> into) {
    block pictures = needed;
    for (std::size_t d = 1; d < pictures.rank(); ++d) pictures[d] = {.first = 0, .count = sample[d - 1].size};
    auto which = [&](std::size_t i) { return samples[needed[0].first + i]; };
    discarded_.resize(needed[0].count);
    if (pictures == needed) return reader.read(which, into, discarded_);
    whole_.resize(pictures.elements());
    reader.read(which, whole_, discarded_);
    copy_block(needed, pictures, whole_.data(), needed, into.data());
  }

 private:
  std::vector<std::uint8_t> discarded_{};
  std::vector<float> whole_{};
};

}  // namespace tutti
