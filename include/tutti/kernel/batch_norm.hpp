#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <tutti/base/span.hpp>

namespace tutti {

/// How channels lie in memory: `block` of them side by side, then the places of a
/// picture, then the next block, then the next sample. 1 is row-major (N, C, H, W),
/// all channels (N, H, W, C); where they do not fill the last block, zeros do.
struct channel_layout {
  std::size_t batch = 0, channels = 0, places = 0, block = 1;

  constexpr std::size_t blocks() const { return (channels + block - 1) / block; }
};

/// 1 / √x. For elements that have no root, a function of this name beside their type.
inline double inverse_root(double x) { return 1 / std::sqrt(x); }

/// Batch normalisation (Ioffe and Szegedy, Batch normalization: accelerating deep
/// network training by reducing internal covariate shift, 2015): of each channel,
/// y = scale · x̂ + shift, x̂ = (x − μ) · r, r = 1 / √(σ² + ε), with mean μ and variance
/// σ² of all n places of the batch; then max(·, 0) where `relu` is wanted. With Σ over
/// all places,
///
///     dshift = Σ dy,   dscale = Σ dy · x̂,   dx = scale · r · (dy − dshift / n − x̂ · dscale / n).
///
/// Each rank sums over its own places; whoever calls adds up, over the ranks that
/// hold others of the same channels, the 2C + 1 sums between `sum` and `normalise`
/// and the 2C between `sum_gradients` and `backward`.
///
/// Sums of x and x² lose as many digits as (μ/σ)² has. For floats they are in double,
/// in which products of floats are exact: while |μ| < 2¹² σ the variance keeps a
/// float's digits, and beyond that the rounding of the inputs weighs more. So one
/// pass over the data and one all-reduce will do, instead of means first and squares
/// around them (Chan, Golub and LeVeque, Algorithms for computing the sample
/// variance, 1983). In a field sums are exact.
///
/// Cost: forward reads x twice and writes y, backward reads x and dy twice and writes dx.
template <class T>
class batch_normalisation {
 public:
  using statistic = std::conditional_t<std::is_floating_point_v<T>, double, T>;

  batch_normalisation() = default;
  batch_normalisation(const channel_layout& l, bool relu, double epsilon)
      : l_(l), relu_(relu), epsilon_(static_cast<statistic>(epsilon)), sums_(2 * l.channels + 1), gradients_(2 * l.channels),
        inverse_(l.channels), rest_(l.channels) {
    for (std::vector<T>* each : {&mean_, &factor_, &shift_, &of_x_, &of_one_}) each->resize(l.blocks() * l.block);
    for (std::vector<statistic>* each : {&one_, &other_}) each->resize(l.block);
  }

  /// Σ x of each channel, Σ x² of each, and of how many places.
  span<statistic> sum(span<const T> x) {
    add_up(sums_, [&](std::size_t i, std::size_t) {
      const statistic value = static_cast<statistic>(x[i]);
      return two{value, value * value};
    });
    sums_.back() = static_cast<statistic>(l_.batch * l_.places);
    return sums_;
  }

  /// y from x, by the sums.
  void normalise(span<const T> x, span<const T> scale, span<const T> shift, span<T> y) {
    for (std::size_t c = 0; c < l_.channels; ++c) settle(c, mean(c), variance(c), scale[c], shift[c]);
    apply(x, y);
  }

  /// y from x, by means and variances of before: for evaluation.
  void normalise(span<const T> x, span<const T> means, span<const T> variances, span<const T> scale, span<const T> shift, span<T> y) {
    for (std::size_t c = 0; c < l_.channels; ++c)
      settle(c, static_cast<statistic>(means[c]), static_cast<statistic>(variances[c]), scale[c], shift[c]);
    apply(x, y);
  }

  /// Brings running means and variances nearer to the batch's by a part of `momentum`,
  /// by the sums; variances as of a sample, over n − 1.
  void follow(span<T> means, span<T> variances, double momentum) const {
    const statistic n = sums_.back(), one = static_cast<statistic>(1), part = static_cast<statistic>(momentum);
    if (n == statistic{}) return;
    for (std::size_t c = 0; c < l_.channels; ++c) {
      const statistic sample = n == one ? variance(c) : variance(c) * n / (n - one);
      means[c] = static_cast<T>(static_cast<statistic>(means[c]) * (one - part) + mean(c) * part);
      variances[c] = static_cast<T>(static_cast<statistic>(variances[c]) * (one - part) + sample * part);
    }
  }

  /// Σ dy of each channel, and Σ dy · x̂, after `normalise`.
  span<statistic> sum_gradients(span<const T> x, span<const T> dy) {
    with_relu([&](auto relu) {
      add_up(gradients_, [&](std::size_t i, std::size_t c) {
        const statistic value = static_cast<statistic>(passed<relu.value>(x[i], dy[i], c));
        return two{value, value * static_cast<statistic>(x[i] - mean_[c])};
      });
    });
    for (std::size_t c = 0; c < l_.channels; ++c) {
      statistic& of_x = gradients_[l_.channels + c];
      of_x = (of_x - rest_[c] * gradients_[c]) * inverse_[c];
    }
    return gradients_;
  }

  /// dx, dscale and dshift by these sums; dx may be dy.
  void backward(span<const T> x, span<const T> dy, span<T> dx, span<T> dscale, span<T> dshift) {
    for (std::size_t c = 0; c < l_.channels; ++c) {
      const statistic n = sums_.back(), factor = static_cast<statistic>(factor_[c]);
      const statistic sum = gradients_[c], of_x = statistic{} - factor * inverse_[c] * gradients_[l_.channels + c] / n;
      dshift[c] = static_cast<T>(sum);
      dscale[c] = static_cast<T>(gradients_[l_.channels + c]);
      of_x_[c] = static_cast<T>(of_x);
      of_one_[c] = static_cast<T>(statistic{} - factor * sum / n - of_x * rest_[c]);
    }
    with_relu([&](auto relu) {
      for_each([&](std::size_t i, std::size_t c) {
        dx[i] = static_cast<T>(factor_[c] * passed<relu.value>(x[i], dy[i], c) + (of_x_[c] * (x[i] - mean_[c]) + of_one_[c]));
      });
    });
  }

 private:
  struct two {
    statistic one, other;
  };

  statistic mean(std::size_t c) const { return sums_[c] / sums_.back(); }
  statistic variance(std::size_t c) const {
    const statistic found = sums_[l_.channels + c] / sums_.back() - mean(c) * mean(c);
    if constexpr (std::is_floating_point_v<T>) return std::max(found, 0.0);
    else return found;
  }

  // What rounding leaves of the mean goes into the shift.
  void settle(std::size_t c, statistic mean, statistic variance, T scale, T shift) {
    inverse_[c] = inverse_root(variance + epsilon_);
    mean_[c] = static_cast<T>(mean);
    rest_[c] = mean - static_cast<statistic>(mean_[c]);
    const statistic factor = inverse_[c] * static_cast<statistic>(scale);
    factor_[c] = static_cast<T>(factor);
    shift_[c] = static_cast<T>(static_cast<statistic>(shift) - rest_[c] * factor);
  }

  T value(T x, std::size_t c) const { return static_cast<T>((x - mean_[c]) * factor_[c] + shift_[c]); }
  // The gradient behind the relu.
  template <bool Relu>
  T passed(T x, T dy, std::size_t c) const {
    return !Relu || T{} < value(x, c) ? dy : T{};
  }

  void apply(span<const T> x, span<T> y) {
    with_relu([&](auto relu) {
      for_each([&](std::size_t i, std::size_t c) {
        const T made = value(x[i], c);
        y[i] = !relu.value || T{} < made ? made : T{};
      });
    });
  }

  template <class Do>
  void with_relu(Do act) {
    if (relu_) act(std::true_type{});
    else act(std::false_type{});
  }

  // Blocks of usual sizes get loops of their own, which compilers turn into vectors.
  template <class Do>
  void with_block(Do act) {
    if (l_.block == 16) act(std::integral_constant<std::size_t, 16>{});
    else if (l_.block == 8) act(std::integral_constant<std::size_t, 8>{});
    else act(l_.block);
  }

  /// act(element, channel) for all in memory.
  template <class Do>
  void for_each(Do act) {
    with_block([&](auto block) {
      for (std::size_t n = 0, i = 0; n < l_.batch; ++n)
        for (std::size_t first = 0; first < l_.channels; first += block) {
          if (block == 1)
            for (std::size_t p = 0; p < l_.places; ++p) act(i + p, first);
          else
            for (std::size_t p = 0; p < l_.places; ++p)
              for (std::size_t k = 0; k < block; ++k) act(i + p * block + k, first + k);
          i += l_.places * block;
        }
    });
  }

  /// Of each channel the sums of both terms(element, channel).
  template <class Terms>
  void add_up(std::vector<statistic>& sums, Terms terms) {
    std::fill(sums.begin(), sums.end(), statistic{});
    with_block([&](auto block) {
      for (std::size_t n = 0, i = 0; n < l_.batch; ++n)
        for (std::size_t first = 0; first < l_.channels; first += block, i += l_.places * block) {
          if (block == 1) add_plane(i, first, sums, terms);
          else if constexpr (std::is_same_v<decltype(block), std::size_t>) add_block(block, one_.data(), other_.data(), i, first, sums, terms);
          else {
            statistic one[block.value], other[block.value];
            add_block(block, one, other, i, first, sums, terms);
          }
        }
    });
  }

  // One channel, in as many sums as a vector has lanes.
  template <class Terms>
  void add_plane(std::size_t i, std::size_t c, std::vector<statistic>& sums, Terms terms) {
    constexpr std::size_t lanes = 16;
    statistic one[lanes] = {}, other[lanes] = {};
    for (std::size_t p = 0; p < l_.places; p += lanes)
      for (std::size_t k = 0; k < std::min(lanes, l_.places - p); ++k) {
        const two next = terms(i + p + k, c);
        one[k] = one[k] + next.one, other[k] = other[k] + next.other;
      }
    for (std::size_t k = 0; k < lanes; ++k) {
      sums[c] = sums[c] + one[k];
      sums[l_.channels + c] = sums[l_.channels + c] + other[k];
    }
  }

  template <class Block, class Terms>
  void add_block(Block block, statistic* one, statistic* other, std::size_t i, std::size_t first, std::vector<statistic>& sums,
                 Terms terms) {
    for (std::size_t k = 0; k < block; ++k) one[k] = other[k] = statistic{};
    for (std::size_t p = 0; p < l_.places; ++p)
      for (std::size_t k = 0; k < block; ++k) {
        const two next = terms(i + p * block + k, first + k);
        one[k] = one[k] + next.one, other[k] = other[k] + next.other;
      }
    for (std::size_t k = 0; k < block && first + k < l_.channels; ++k) {
      sums[first + k] = sums[first + k] + one[k];
      sums[l_.channels + first + k] = sums[l_.channels + first + k] + other[k];
    }
  }

  channel_layout l_;
  bool relu_ = false;
  statistic epsilon_{};
  std::vector<statistic> sums_, gradients_;
  std::vector<statistic> inverse_, rest_, one_, other_;
  std::vector<T> mean_, factor_, shift_, of_x_, of_one_;  // zeros where there is no channel
};

}  // namespace tutti
