#pragma once
#include <cstddef>
#include <type_traits>

#include <tutti/device/buffer.hpp>
#include <tutti/kernel/batch_norm.hpp>
#include <tutti/kernel/channels_last.hpp>

namespace tutti::channels_last {

namespace detail {

/// What sums over the whole batch are held in.
template <class T>
using statistic_of = std::conditional_t<std::is_floating_point_v<sum_of<T>>, double, T>;

TUTTI_HOST_DEVICE inline double inverse_root_of(double x) { return 1 / ::sqrt(x); }
template <class T>
  requires(!std::is_floating_point_v<T>)
TUTTI_HOST_DEVICE T inverse_root_of(const T& x) {
  return inverse_root(x);
}

/// Of each channel: x̂ = (x − mean) · r, y = (x − mean) · factor + shift.
template <class T>
struct channel_values {
  sum_of<T>*mean, *factor, *shift, *of_x, *of_one;
  statistic_of<T>*inverse, *rest;
};

// A few rows are added up in the element's sum before they go to the statistic.
inline constexpr std::size_t at_once = 32;

template <class T>
struct norm_part {
  const T* x;
  statistic_of<T>* parts;
  std::size_t rows, channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % channels;
    const sum_of<T> from = rows > 0 ? static_cast<sum_of<T>>(x[c]) : sum_of<T>{};
    statistic_of<T> one{}, other{};
    for (std::size_t r = i / channels; r < rows;) {
      sum_of<T> a{}, b{};
      for (std::size_t k = 0; k < at_once && r < rows; ++k, r += splits) {
        const sum_of<T> value = static_cast<sum_of<T>>(x[r * channels + c]) - from;
        a = a + value, b = b + value * value;
      }
      one = one + static_cast<statistic_of<T>>(a), other = other + static_cast<statistic_of<T>>(b);
    }
    parts[i] = one, parts[splits * channels + i] = other;
  }
};

template <class T>
struct norm_sums {
  const T* x;
  const statistic_of<T>* parts;
  statistic_of<T>* sums;
  std::size_t rows, channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    const auto n = static_cast<statistic_of<T>>(rows);
    statistic_of<T> one{}, other{}, from{};
    if (rows > 0) from = static_cast<statistic_of<T>>(static_cast<sum_of<T>>(x[c]));
    for (std::size_t k = 0; k < splits; ++k) one = one + parts[k * channels + c], other = other + parts[(splits + k) * channels + c];
    sums[c] = one + n * from;
    sums[channels + c] = other + from * (one + one + n * from);
    if (c == 0) sums[2 * channels] = n;
  }
};

template <class T>
struct norm_settled {
  const statistic_of<T>* sums;  // none in evaluation
  const sum_of<T>*means, *variances, *scale, *move;
  statistic_of<T> epsilon;
  channel_values<T> v;
  std::size_t channels;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    using statistic = statistic_of<T>;
    const statistic mean = sums ? sums[c] / sums[2 * channels] : static_cast<statistic>(means[c]);
    statistic variance = sums ? sums[channels + c] / sums[2 * channels] - mean * mean : static_cast<statistic>(variances[c]);
    if constexpr (std::is_floating_point_v<statistic>) variance = variance < 0 ? 0 : variance;
    v.inverse[c] = inverse_root_of(variance + epsilon);
    v.mean[c] = static_cast<sum_of<T>>(mean);
    v.rest[c] = mean - static_cast<statistic>(v.mean[c]);
    const statistic factor = v.inverse[c] * static_cast<statistic>(scale[c]);
    v.factor[c] = static_cast<sum_of<T>>(factor);
    v.shift[c] = static_cast<sum_of<T>>(static_cast<statistic>(move[c]) - v.rest[c] * factor);
  }
};

template <class T>
struct norm_followed {
  const statistic_of<T>* sums;
  sum_of<T>*means, *variances;
  statistic_of<T> part;
  std::size_t channels;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    using statistic = statistic_of<T>;
    const statistic n = sums[2 * channels], one = static_cast<statistic>(1), mean = sums[c] / n;
    if (n == statistic{}) return;
    statistic sample = sums[channels + c] / n - mean * mean;
    if constexpr (std::is_floating_point_v<statistic>) sample = sample < 0 ? 0 : sample;
    if (n != one) sample = sample * n / (n - one);
    means[c] = static_cast<sum_of<T>>(static_cast<statistic>(means[c]) * (one - part) + mean * part);
    variances[c] = static_cast<sum_of<T>>(static_cast<statistic>(variances[c]) * (one - part) + sample * part);
  }
};

template <class T>
struct normalised {
  const T* x;
  T* y;
  channel_values<T> v;
  std::size_t channels;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % channels;
    const sum_of<T> made = (static_cast<sum_of<T>>(x[i]) - v.mean[c]) * v.factor[c] + v.shift[c];
    y[i] = relu && !(sum_of<T>{} < made) ? T{} : static_cast<T>(made);
  }
};

// A gradient goes through the relu where what stands before it is above 0.
template <class T>
TUTTI_HOST_DEVICE sum_of<T> let_through(const channel_values<T>& v, std::size_t c, sum_of<T> far, const T& dy, bool relu) {
  return relu && !(sum_of<T>{} < far * v.factor[c] + v.shift[c]) ? sum_of<T>{} : static_cast<sum_of<T>>(dy);
}

template <class T>
struct norm_gradient_part {
  const T *x, *dy;
  statistic_of<T>* parts;
  channel_values<T> v;
  std::size_t rows, channels, splits;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % channels;
    statistic_of<T> one{}, other{};
    for (std::size_t r = i / channels; r < rows;) {
      sum_of<T> a{}, b{};
      for (std::size_t k = 0; k < at_once && r < rows; ++k, r += splits) {
        const sum_of<T> far = static_cast<sum_of<T>>(x[r * channels + c]) - v.mean[c], given = let_through<T>(v, c, far, dy[r * channels + c], relu);
        a = a + given, b = b + given * far;
      }
      one = one + static_cast<statistic_of<T>>(a), other = other + static_cast<statistic_of<T>>(b);
    }
    parts[i] = one, parts[splits * channels + i] = other;
  }
};

template <class T>
struct norm_gradient_sums {
  const statistic_of<T>* parts;
  statistic_of<T>* gradients;
  channel_values<T> v;
  std::size_t channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    statistic_of<T> one{}, other{};
    for (std::size_t k = 0; k < splits; ++k) one = one + parts[k * channels + c], other = other + parts[(splits + k) * channels + c];
    gradients[c] = one;
    gradients[channels + c] = (other - v.rest[c] * one) * v.inverse[c];
  }
};

template <class T>
struct norm_gradient_settled {
  const statistic_of<T>*sums, *gradients;
  sum_of<T>*dscale, *dshift;
  channel_values<T> v;
  std::size_t channels;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    using statistic = statistic_of<T>;
    const statistic n = sums[2 * channels], factor = static_cast<statistic>(v.factor[c]), sum = gradients[c],
                    of_x = statistic{} - factor * v.inverse[c] * gradients[channels + c] / n;
    dshift[c] = static_cast<sum_of<T>>(sum);
    dscale[c] = static_cast<sum_of<T>>(gradients[channels + c]);
    v.of_x[c] = static_cast<sum_of<T>>(of_x);
    v.of_one[c] = static_cast<sum_of<T>>(statistic{} - factor * sum / n - of_x * v.rest[c]);
  }
};

template <class T>
struct norm_gradient {
  const T *x, *dy;
  T* dx;
  channel_values<T> v;
  std::size_t channels;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % channels;
    const sum_of<T> far = static_cast<sum_of<T>>(x[i]) - v.mean[c];
    dx[i] = static_cast<T>(v.factor[c] * let_through<T>(v, c, far, dy[i], relu) + (v.of_x[c] * far + v.of_one[c]));
  }
};

}  // namespace detail

/// `batch_normalisation` in the memory of a space and the order of a stream: the same
/// sums, which whoever calls adds up over ranks between `sum` and `normalise` and
/// between `sum_gradients` and `backward`, and the same results. Scale, shift and
/// running statistics of 16-bit data are floats.
template <class T, memory_space Space>
class batch_norm {
 public:
  using statistic = detail::statistic_of<T>;
  using number = sum_of<T>;
  using order = order_of<Space>;

  batch_norm(const norm_geometry& g, bool relu, double epsilon)
      : channels_(g.channels), rows_(g.batch * g.places), splits_(splits_of(rows_, channels_)), relu_(relu), epsilon_(static_cast<statistic>(epsilon)),
        parts_(2 * splits_ * channels_), sums_(2 * channels_ + 1), gradients_(2 * channels_), numbers_(5 * channels_), statistics_(2 * channels_) {
    number* const n = numbers_.data();
    statistic* const s = statistics_.data();
    if (channels_ > 0) values_ = {n, n + channels_, n + 2 * channels_, n + 3 * channels_, n + 4 * channels_, s, s + channels_};
  }

  /// Σ x of each channel, Σ x² of each, and of how many places.
  span<statistic, Space> sum(span<const T, Space> x, const order& in_order) {
    each(splits_ * channels_, detail::norm_part<T>{x.data(), parts_.data(), rows_, channels_, splits_}, in_order);
    each(channels_, detail::norm_sums<T>{x.data(), parts_.data(), sums_.data(), rows_, channels_, splits_}, in_order);
    return sums_;
  }

  /// y from x, by the sums.
  void normalise(span<const T, Space> x, span<const number, Space> scale, span<const number, Space> shift, span<T, Space> y, const order& in_order) {
    settle(sums_.data(), nullptr, nullptr, scale, shift, in_order);
    apply(x, y, in_order);
  }
  /// y from x, by means and variances of before: for evaluation.
  void normalise(span<const T, Space> x, span<const number, Space> means, span<const number, Space> variances, span<const number, Space> scale,
                 span<const number, Space> shift, span<T, Space> y, const order& in_order) {
    settle(nullptr, means.data(), variances.data(), scale, shift, in_order);
    apply(x, y, in_order);
  }

  /// Brings running means and variances nearer to those of the sums, by `part` of the way.
  void follow(span<number, Space> means, span<number, Space> variances, double part, const order& in_order) const {
    each(channels_, detail::norm_followed<T>{sums_.data(), means.data(), variances.data(), static_cast<statistic>(part), channels_}, in_order);
  }

  /// Σ dy of each channel, and Σ dy · x̂, after `normalise`.
  span<statistic, Space> sum_gradients(span<const T, Space> x, span<const T, Space> dy, const order& in_order) {
    each(splits_ * channels_, detail::norm_gradient_part<T>{x.data(), dy.data(), parts_.data(), values_, rows_, channels_, splits_, relu_}, in_order);
    each(channels_, detail::norm_gradient_sums<T>{parts_.data(), gradients_.data(), values_, channels_, splits_}, in_order);
    return gradients_;
  }

  /// dx, dscale and dshift by these sums; dx may be dy.
  void backward(span<const T, Space> x, span<const T, Space> dy, span<T, Space> dx, span<number, Space> dscale, span<number, Space> dshift,
                const order& in_order) {
    each(channels_, detail::norm_gradient_settled<T>{sums_.data(), gradients_.data(), dscale.data(), dshift.data(), values_, channels_}, in_order);
    each(x.size(), detail::norm_gradient<T>{x.data(), dy.data(), dx.data(), values_, channels_, relu_}, in_order);
  }

 private:
  template <class Function>
  static void each(std::size_t n, const Function& f, const order& in_order) {
    detail::each<Space>(n, f, in_order);
  }
  void settle(const statistic* sums, const number* means, const number* variances, span<const number, Space> scale, span<const number, Space> shift,
              const order& in_order) {
    each(channels_, detail::norm_settled<T>{sums, means, variances, scale.data(), shift.data(), epsilon_, values_, channels_}, in_order);
  }
  void apply(span<const T, Space> x, span<T, Space> y, const order& in_order) const {
    each(x.size(), detail::normalised<T>{x.data(), y.data(), values_, channels_, relu_}, in_order);
  }

  std::size_t channels_, rows_, splits_;
  bool relu_;
  statistic epsilon_;
  buffer<statistic, Space> parts_, sums_, gradients_;
  buffer<number, Space> numbers_;
  buffer<statistic, Space> statistics_;
  detail::channel_values<T> values_{};
};

}  // namespace tutti::channels_last
