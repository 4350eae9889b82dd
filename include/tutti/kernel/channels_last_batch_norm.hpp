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

template <class T, std::size_t Lanes>
struct norm_part {
  const T* x;
  statistic_of<T>* parts;
  std::size_t rows, channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % (channels / Lanes) * Lanes, split = i / (channels / Lanes);
    T from[Lanes]{}, in[rows_at_once][Lanes];
    if (rows > 0) load_lanes(from, x + c);
    statistic_of<T> one[Lanes]{}, other[Lanes]{};
    for (std::size_t r = split; r < rows;) {
      sum_of<T> a[Lanes]{}, b[Lanes]{};
      for (std::size_t n = 0; n < at_once && r < rows; n += rows_at_once, r += rows_at_once * splits) {
        for (std::size_t k = 0; k < rows_at_once; ++k)
          if (r + k * splits < rows) load_lanes(in[k], x + (r + k * splits) * channels + c);
        for (std::size_t k = 0; k < rows_at_once; ++k)
          if (r + k * splits < rows)
            for (std::size_t j = 0; j < Lanes; ++j) {
              const sum_of<T> value = static_cast<sum_of<T>>(in[k][j]) - static_cast<sum_of<T>>(from[j]);
              a[j] = a[j] + value, b[j] = b[j] + value * value;
            }
      }
      for (std::size_t j = 0; j < Lanes; ++j) one[j] = one[j] + static_cast<statistic_of<T>>(a[j]), other[j] = other[j] + static_cast<statistic_of<T>>(b[j]);
    }
    store_lanes(parts + split * channels + c, one), store_lanes(parts + (splits + split) * channels + c, other);
  }
};

/// Of `count` parts, and those that are made of them.
constexpr std::size_t parts_of(std::size_t count) {
  std::size_t all = count;
  while (count > at_once) count = (count + at_once - 1) / at_once, all += count;
  return all;
}

/// Two sums for each channel: of `count` parts each, `at_once` together.
template <class S>
struct fewer_parts {
  const S* from;
  S* into;
  std::size_t channels, count;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t left = (count + at_once - 1) / at_once, c = i % channels, group = i / channels % left, which = i / channels / left;
    S sum{};
    for (std::size_t k = group * at_once; k < (group + 1) * at_once && k < count; ++k) sum = sum + from[(which * count + k) * channels + c];
    into[i] = sum;
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

template <class T, std::size_t Lanes>
struct normalised {
  const T* x;
  T* y;
  channel_values<T> v;
  std::size_t rows, channels;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const strip<Lanes> at(i, rows, channels);
    T in[rows_at_once][Lanes];
    for (std::size_t k = 0; k < rows_at_once; ++k)
      if (at.row + k * at.step < rows) load_lanes(in[k], x + (at.row + k * at.step) * channels + at.channel);
    sum_of<T> mean[Lanes], factor[Lanes], shift[Lanes];
    load_lanes(mean, v.mean + at.channel), load_lanes(factor, v.factor + at.channel), load_lanes(shift, v.shift + at.channel);
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      if (at.row + k * at.step >= rows) continue;
      for (std::size_t j = 0; j < Lanes; ++j) {
        const sum_of<T> made = (static_cast<sum_of<T>>(in[k][j]) - mean[j]) * factor[j] + shift[j];
        in[k][j] = relu && !(sum_of<T>{} < made) ? T{} : static_cast<T>(made);
      }
      store_lanes(y + (at.row + k * at.step) * channels + at.channel, in[k]);
    }
  }
};

// A gradient goes through the relu where what stands before it is above 0.
template <class T>
TUTTI_HOST_DEVICE sum_of<T> let_through(sum_of<T> factor, sum_of<T> shift, sum_of<T> far, const T& dy, bool relu) {
  return relu && !(sum_of<T>{} < far * factor + shift) ? sum_of<T>{} : static_cast<sum_of<T>>(dy);
}

template <class T, std::size_t Lanes>
struct norm_gradient_part {
  const T *x, *dy;
  statistic_of<T>* parts;
  channel_values<T> v;
  std::size_t rows, channels, splits;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % (channels / Lanes) * Lanes, split = i / (channels / Lanes);
    sum_of<T> mean[Lanes], factor[Lanes], shift[Lanes];
    load_lanes(mean, v.mean + c), load_lanes(factor, v.factor + c), load_lanes(shift, v.shift + c);
    T in[rows_at_once][Lanes], given[rows_at_once][Lanes];
    statistic_of<T> one[Lanes]{}, other[Lanes]{};
    for (std::size_t r = split; r < rows;) {
      sum_of<T> a[Lanes]{}, b[Lanes]{};
      for (std::size_t n = 0; n < at_once && r < rows; n += rows_at_once, r += rows_at_once * splits) {
        for (std::size_t k = 0; k < rows_at_once; ++k)
          if (r + k * splits < rows) load_lanes(in[k], x + (r + k * splits) * channels + c), load_lanes(given[k], dy + (r + k * splits) * channels + c);
        for (std::size_t k = 0; k < rows_at_once; ++k)
          if (r + k * splits < rows)
            for (std::size_t j = 0; j < Lanes; ++j) {
              const sum_of<T> far = static_cast<sum_of<T>>(in[k][j]) - mean[j], let = let_through<T>(factor[j], shift[j], far, given[k][j], relu);
              a[j] = a[j] + let, b[j] = b[j] + let * far;
            }
      }
      for (std::size_t j = 0; j < Lanes; ++j) one[j] = one[j] + static_cast<statistic_of<T>>(a[j]), other[j] = other[j] + static_cast<statistic_of<T>>(b[j]);
    }
    store_lanes(parts + split * channels + c, one), store_lanes(parts + (splits + split) * channels + c, other);
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

template <class T, std::size_t Lanes>
struct norm_gradient {
  const T *x, *dy;
  T* dx;
  channel_values<T> v;
  std::size_t rows, channels;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const strip<Lanes> at(i, rows, channels);
    T in[rows_at_once][Lanes], given[rows_at_once][Lanes];
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      const std::size_t first = (at.row + k * at.step) * channels + at.channel;
      if (at.row + k * at.step < rows) load_lanes(in[k], x + first), load_lanes(given[k], dy + first);
    }
    sum_of<T> mean[Lanes], factor[Lanes], shift[Lanes], of_x[Lanes], of_one[Lanes];
    load_lanes(mean, v.mean + at.channel), load_lanes(factor, v.factor + at.channel), load_lanes(shift, v.shift + at.channel);
    load_lanes(of_x, v.of_x + at.channel), load_lanes(of_one, v.of_one + at.channel);
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      if (at.row + k * at.step >= rows) continue;
      for (std::size_t j = 0; j < Lanes; ++j) {
        const sum_of<T> far = static_cast<sum_of<T>>(in[k][j]) - mean[j];
        in[k][j] = static_cast<T>(factor[j] * let_through<T>(factor[j], shift[j], far, given[k][j], relu) + (of_x[j] * far + of_one[j]));
      }
      store_lanes(dx + (at.row + k * at.step) * channels + at.channel, in[k]);
    }
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
      : channels_(g.channels), rows_(g.batch * g.places), splits_(splits_of(rows_, channels_ % lanes == 0 ? channels_ / lanes : channels_)), relu_(relu),
        epsilon_(static_cast<statistic>(epsilon)), parts_(2 * detail::parts_of(splits_) * channels_), sums_(2 * channels_ + 1), gradients_(2 * channels_), numbers_(5 * channels_), statistics_(2 * channels_) {
    number* const n = numbers_.data();
    statistic* const s = statistics_.data();
    if (channels_ > 0) values_ = {n, n + channels_, n + 2 * channels_, n + 3 * channels_, n + 4 * channels_, s, s + channels_};
  }

  /// Σ x of each channel, Σ x² of each, and of how many places.
  span<statistic, Space> sum(span<const T, Space> x, const order& in_order) {
    if (channels_ > 0)
      by_lanes<T>(channels_, [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
        each(splits_ * (channels_ / Lanes), detail::norm_part<T, Lanes>{x.data(), parts_.data(), rows_, channels_, splits_}, in_order);
      }, x.data());
    const few left = few_parts(in_order);
    each(channels_, detail::norm_sums<T>{x.data(), left.parts, sums_.data(), rows_, channels_, left.count}, in_order);
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
    if (channels_ > 0)
      by_lanes<T>(channels_, [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
        each(splits_ * (channels_ / Lanes), detail::norm_gradient_part<T, Lanes>{x.data(), dy.data(), parts_.data(), values_, rows_, channels_, splits_, relu_},
             in_order);
      }, x.data(), dy.data());
    const few left = few_parts(in_order);
    each(channels_, detail::norm_gradient_sums<T>{left.parts, gradients_.data(), values_, channels_, left.count}, in_order);
    return gradients_;
  }

  /// dx, dscale and dshift by these sums; dx may be dy.
  void backward(span<const T, Space> x, span<const T, Space> dy, span<T, Space> dx, span<number, Space> dscale, span<number, Space> dshift,
                const order& in_order) {
    each(channels_, detail::norm_gradient_settled<T>{sums_.data(), gradients_.data(), dscale.data(), dshift.data(), values_, channels_}, in_order);
    if (channels_ == 0) return;
    by_lanes<T>(channels_, [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
      each(strip<Lanes>::threads(rows_, channels_), detail::norm_gradient<T, Lanes>{x.data(), dy.data(), dx.data(), values_, rows_, channels_, relu_}, in_order);
    }, x.data(), dy.data(), dx.data());
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
    if (channels_ == 0) return;
    by_lanes<T>(channels_, [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
      each(strip<Lanes>::threads(rows_, channels_), detail::normalised<T, Lanes>{x.data(), y.data(), values_, rows_, channels_, relu_}, in_order);
    }, x.data(), y.data());
  }

  // No thread adds up many parts while others have nothing to do.
  struct few {
    const statistic* parts;
    std::size_t count;
  };
  few few_parts(const order& in_order) {
    statistic* from = parts_.data();
    std::size_t count = splits_;
    while (count > detail::at_once) {
      const std::size_t left = (count + detail::at_once - 1) / detail::at_once;
      statistic* const into = from + 2 * count * channels_;
      each(2 * left * channels_, detail::fewer_parts<statistic>{from, into, channels_, count}, in_order);
      from = into, count = left;
    }
    return {from, count};
  }

  // Sums do not depend on where the data begins, nor on how many channels a thread takes then.
  static constexpr std::size_t lanes = most_lanes<T>;

  std::size_t channels_, rows_, splits_;
  bool relu_;
  statistic epsilon_;
  buffer<statistic, Space> parts_, sums_, gradients_;
  buffer<number, Space> numbers_;
  buffer<statistic, Space> statistics_;
  detail::channel_values<T> values_{};
};

}  // namespace tutti::channels_last
