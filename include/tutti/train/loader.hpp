#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>
#include <tutti/kernel/random.hpp>
#include <tutti/train/augmentation.hpp>
#include <tutti/train/dataset.hpp>

namespace tutti {

/// 0 … count − 1 in a random order, the same for the same stream everywhere
/// (Fisher and Yates; Durstenfeld's Algorithm 235, 1964).
inline std::vector<std::uint32_t> permutation(std::size_t count, random_stream random) {
  if (count > 0xffffffffu)
    throw error(errc::invalid_argument, format("a permutation of %zu elements: 2³² − 1 are possible", count));
  std::vector<std::uint32_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = static_cast<std::uint32_t>(i);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

/// Copies samples out of a data set: normalised and, where asked to, varied.
class sample_reader {
 public:
  /// `data` must outlive the reader.
  explicit sample_reader(const dataset& data, const augmentation& how = {}, std::uint64_t seed = 1)
      : data_(&data), how_(how), seed_(seed), value_of_(data.channels) {
    for (std::size_t c = 0; c < data.channels; ++c) {
      const normalisation n = c < data.scales.size() ? data.scales[c] : normalisation{};
      for (std::size_t i = 0; i < 256; ++i) value_of_[c][i] = (static_cast<float>(i) / 255.0f - n.mean) / n.deviation;
    }
  }

  /// Pictures are varied as in this epoch from now on.
  void begin_epoch(std::size_t epoch) { epoch_ = epoch; }

  /// Sample `which(i)` of the data goes to place i, for every label there is room for.
  template <class Which>
  void read(Which which, span<float> x, span<std::uint8_t> labels) const {
    const std::size_t size = data_->sample_size();
    if (x.size() != labels.size() * size)
      throw error(errc::invalid_argument,
                  format("%zu samples of %zu values do not fit in %zu values", labels.size(), size, x.size()));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      const std::size_t sample = which(i);
      copy(sample, x.data() + i * size);  // (C, D, H, W)
      labels[i] = label(sample);
    }
  }
  std::uint8_t label(std::size_t sample) const { return data_->labels[sample]; }

 private:
  void copy(std::size_t sample, float* x) const {
    const std::uint8_t* pixels = data_->pixels.data() + sample * data_->sample_size();
    const variation v = variation_of(how_, seed_, epoch_, sample);
    const std::size_t height = data_->height, width = data_->width;
    for (std::size_t plane = 0; plane < data_->channels * data_->depth; ++plane)
      for (std::size_t row = 0; row < height; ++row, x += width) {
        const std::array<float, 256>& value = value_of_[plane / data_->depth];
        const std::size_t from = row + static_cast<std::size_t>(v.down);  // wraps beyond the upper edge
        if (from >= height) {
          std::fill_n(x, width, value[0]);
          continue;
        }
        const std::uint8_t* line = pixels + (plane * height + from) * width;
        if (v == variation{.down = v.down}) {
          for (std::size_t k = 0; k < width; ++k) x[k] = value[line[k]];
          continue;
        }
        for (std::size_t k = 0; k < width; ++k) {
          const std::size_t at = k + static_cast<std::size_t>(v.across);
          x[k] = at >= width ? value[0] : value[line[v.mirrored ? width - 1 - at : at]];
        }
      }
  }

  const dataset* data_;
  augmentation how_;
  std::uint64_t seed_;
  std::size_t epoch_ = 0;
  std::vector<std::array<float, 256>> value_of_;  // (channels) of each pixel
};

struct loader_options {
  std::size_t batch = 64;
  bool shuffle = true;
  std::uint64_t seed = 1;
  /// Not 0: the samples of each batch change places among themselves. All
  /// sums stay the same but for rounding, whose size this shows.
  std::uint64_t inner_seed = 0;
  augmentation vary = {};
};

/// Cuts a data set into batches, which depend on seed and epoch only. The last one
/// may be short.
class loader {
 public:
  /// `data` must outlive the loader.
  loader(const dataset& data, const loader_options& o) : count_(data.count), options_(o), reader_(data, o.vary, o.seed) {
    if (o.batch == 0) throw error(errc::invalid_argument, "a batch of 0 samples: at least 1 is needed");
    begin_epoch(0);
  }

  /// Puts the samples in this epoch's order.
  void begin_epoch(std::size_t epoch) {
    reader_.begin_epoch(epoch);
    order_ = permutation(count_, {.seed = options_.seed, .purpose = 2 * epoch});
    if (!options_.shuffle)
      for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::uint32_t>(i);
    if (options_.inner_seed == 0) return;
    for (std::size_t b = 0; b < batches(); ++b) {
      random_stream inner{.seed = options_.inner_seed, .purpose = 2 * (epoch * batches() + b) + 1};
      std::uint32_t* begin = order_.data() + b * options_.batch;
      for (std::size_t i = batch_size(b); i > 1; --i) std::swap(begin[i - 1], begin[inner.below(i, i)]);
    }
  }

  /// Of this epoch: normalised and varied.
  const sample_reader& reader() const { return reader_; }

  std::size_t batches() const { return (count_ + options_.batch - 1) / options_.batch; }
  std::size_t batch_size(std::size_t b) const {
    std::size_t left = count_ - b * options_.batch;
    return left < options_.batch ? left : options_.batch;
  }
  /// The number in the data set of each sample of batch b.
  span<const std::uint32_t> samples(std::size_t b) const { return {order_.data() + b * options_.batch, batch_size(b)}; }

 private:
  std::size_t count_;
  loader_options options_;
  sample_reader reader_;
  std::vector<std::uint32_t> order_;
};

}  // namespace tutti
