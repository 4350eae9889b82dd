#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <vector>

#include <tutti/base/config.hpp>
#include <tutti/base/span.hpp>
#include <tutti/device/fold.hpp>

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
/// Sums of x and x² lose as many digits as (μ/σ)² has. They are of differences to one
/// of the rank's own values, in the element's type for a few places and then in double,
/// in which only they become sums of x and x²: while |μ| < 2¹² σ a float's variance keeps
/// a float's digits, and beyond that the rounding of the inputs weighs more. So one
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
    for (std::vector<statistic>* each : {&one_, &other_}) each->resize(l.blocks() * l.block);
  }

  /// Σ x of each channel, Σ x² of each, and of how many places.
  span<statistic> sum(span<const T> x) {
    const std::size_t channels = l_.channels;
    const statistic n = static_cast<statistic>(l_.batch * l_.places);
    for (std::size_t c = 0; c < channels && !x.empty(); ++c) mean_[c] = x[c / l_.block * l_.block * l_.places + c % l_.block];
    add_up(sums{x.data(), mean_.data(), one_.data(), other_.data()});
    for (std::size_t c = 0; c < channels; ++c) {
      const statistic from = static_cast<statistic>(mean_[c]);
      sums_[c] = one_[c] + n * from;
      sums_[channels + c] = other_[c] + from * (one_[c] + one_[c] + n * from);
    }
    sums_.back() = n;
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
      add_up(gradient_sums<relu.value>{x.data(), dy.data(), mean_.data(), factor_.data(), shift_.data(), one_.data(), other_.data()});
    });
    for (std::size_t c = 0; c < l_.channels; ++c) {
      gradients_[c] = one_[c];
      gradients_[l_.channels + c] = (other_[c] - rest_[c] * one_[c]) * inverse_[c];
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
      run(gradients<relu.value>{x.data(), dy.data(), dx.data(), mean_.data(), factor_.data(), shift_.data(), of_x_.data(), of_one_.data()});
    });
  }

 private:
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

  void apply(span<const T> x, span<T> y) {
    with_relu([&](auto relu) { run(values<relu.value>{x.data(), y.data(), mean_.data(), factor_.data(), shift_.data()}); });
  }

  template <class Do>
  void with_relu(Do act) {
    if (relu_) act(std::true_type{});
    else act(std::false_type{});
  }

  // Elements side by side that are computed at once: two vectors in a row hide how long
  // an addition takes. Elements that are no floating-point numbers go one by one.
  static constexpr std::size_t at_once = std::is_floating_point_v<T> ? 32 / sizeof(T) : 1;
  template <bool Floating, class Element>
  struct vector_of {
    using type = Element;
  };
  template <class Element>
  struct vector_of<true, Element> {
    typedef Element type [[gnu::vector_size(32)]];
  };
  using vector = typename vector_of<std::is_floating_point_v<T>, T>::type;

  // Each `stride` behind the one before: of channel c where `same`, else of c and those after it.
  struct rows {
    std::size_t first, count, stride, c;
    bool same;
  };

  template <class Pack>
  [[gnu::always_inline]] static void load(Pack& into, const T* from) {
    std::memcpy(static_cast<void*>(&into), from, sizeof into);
  }
  // Coefficients are copied, so that whatever is written is none of them.
  template <class Pack, std::size_t N>
  [[gnu::always_inline]] static void load(Pack (&into)[N], const T* from, const rows& r) {
    T all[N * sizeof(Pack) / sizeof(T)];
    for (std::size_t k = 0; k < std::size(all); ++k) all[k] = from[r.same ? r.c : r.c + k];
    std::memcpy(static_cast<void*>(&into), all, sizeof into);
  }
  // Sums of a few rows go to those of the channels.
  template <class Pack, std::size_t N>
  [[gnu::always_inline]] static void give(const Pack (&sum)[N], const rows& r, statistic* into) {
    T all[N * sizeof(Pack) / sizeof(T)];
    std::memcpy(static_cast<void*>(all), &sum, sizeof sum);
    for (std::size_t k = 0; k < std::size(all); ++k) {
      statistic& total = into[r.same ? r.c : r.c + k];
      total = total + static_cast<statistic>(all[k]);
    }
  }
  static constexpr std::size_t summed_at_once = 32;

  struct sums {
    const T *x, *from;
    statistic *one, *other;
    template <class Pack, std::size_t N>
    [[gnu::always_inline]] void on(const rows& r) const {
      Pack origin[N];
      load(origin, from, r);
      for (std::size_t row = 0; row < r.count;) {
        Pack a[N] = {}, b[N] = {};
        for (const std::size_t end = std::min(r.count, row + summed_at_once); row < end; ++row)
          for (std::size_t k = 0; k < N; ++k) {
            Pack value;
            load(value, x + r.first + row * r.stride + k * (sizeof(Pack) / sizeof(T)));
            value = value - origin[k];
            a[k] = a[k] + value, b[k] = b[k] + value * value;
          }
        give(a, r, one), give(b, r, other);
      }
    }
  };

  template <bool Relu>
  struct values {
    const T* x;
    T* y;
    const T *mean, *factor, *shift;
    template <class Pack, std::size_t N>
    [[gnu::always_inline]] void on(const rows& r) const {
      Pack m[N], f[N], s[N];
      load(m, mean, r), load(f, factor, r), load(s, shift, r);
      for (std::size_t row = 0; row < r.count; ++row)
        for (std::size_t k = 0; k < N; ++k) {
          const std::size_t i = r.first + row * r.stride + k * (sizeof(Pack) / sizeof(T));
          Pack made;
          load(made, x + i);
          made = (made - m[k]) * f[k] + s[k];
          if constexpr (Relu) made = Pack{} < made ? made : Pack{};
          std::memcpy(static_cast<void*>(y + i), &made, sizeof made);
        }
    }
  };

  // A gradient goes through the relu where what stands before it is above 0.
  template <bool Relu>
  struct gradient_sums {
    const T *x, *dy, *mean, *factor, *shift;
    statistic *one, *other;
    template <class Pack, std::size_t N>
    [[gnu::always_inline]] void on(const rows& r) const {
      Pack m[N], f[N], s[N];
      load(m, mean, r), load(f, factor, r), load(s, shift, r);
      for (std::size_t row = 0; row < r.count;) {
        Pack a[N] = {}, b[N] = {};
        for (const std::size_t end = std::min(r.count, row + summed_at_once); row < end; ++row)
          for (std::size_t k = 0; k < N; ++k) {
            const std::size_t i = r.first + row * r.stride + k * (sizeof(Pack) / sizeof(T));
            Pack far, given;
            load(far, x + i), load(given, dy + i);
            far = far - m[k];
            if constexpr (Relu) given = Pack{} < far * f[k] + s[k] ? given : Pack{};
            a[k] = a[k] + given, b[k] = b[k] + given * far;
          }
        give(a, r, one), give(b, r, other);
      }
    }
  };

  template <bool Relu>
  struct gradients {
    const T *x, *dy;
    T* dx;
    const T *mean, *factor, *shift, *of_x, *of_one;
    template <class Pack, std::size_t N>
    [[gnu::always_inline]] void on(const rows& r) const {
      Pack m[N], f[N], s[N], p[N], q[N];
      load(m, mean, r), load(f, factor, r), load(s, shift, r), load(p, of_x, r), load(q, of_one, r);
      for (std::size_t row = 0; row < r.count; ++row)
        for (std::size_t k = 0; k < N; ++k) {
          const std::size_t i = r.first + row * r.stride + k * (sizeof(Pack) / sizeof(T));
          Pack far, given;
          load(far, x + i), load(given, dy + i);
          far = far - m[k];
          if constexpr (Relu) given = Pack{} < far * f[k] + s[k] ? given : Pack{};
          given = f[k] * given + (p[k] * far + q[k]);
          std::memcpy(static_cast<void*>(dx + i), &given, sizeof given);
        }
    }
  };

  template <class Act>
  void add_up(const Act& act) {
    std::fill(one_.begin(), one_.end(), statistic{});
    std::fill(other_.begin(), other_.end(), statistic{});
    run(act);
  }
  template <class Act>
  void run(const Act& act) const {
    if (detail::has_wide_vectors()) run_wide(act);
    else run_through(act);
  }
  template <class Act>
  TUTTI_TARGET_AVX2 void run_wide(const Act& act) const {
    run_through(act);
  }
  template <class Act>
  [[gnu::always_inline]] void run_through(const Act& act) const {
    const std::size_t block = l_.block, places = l_.places;
    std::size_t i = 0;
    for (std::size_t n = 0; n < l_.batch; ++n)
      for (std::size_t c = 0; c < l_.channels; c += block, i += places * block) {
        auto rows_at = [&](std::size_t k) { return rows{.first = i + k, .count = places, .stride = block, .c = c + k, .same = false}; };
        if (block == 1) {
          const std::size_t count = places / (2 * at_once), done = count * 2 * at_once;
          act.template on<vector, 2>({.first = i, .count = count, .stride = 2 * at_once, .c = c, .same = true});
          act.template on<T, 1>({.first = i + done, .count = places - done, .stride = 1, .c = c, .same = true});
          continue;
        }
        std::size_t k = 0;
        for (; k + 2 * at_once <= block; k += 2 * at_once) act.template on<vector, 2>(rows_at(k));
        for (; k + at_once <= block; k += at_once) act.template on<vector, 1>(rows_at(k));
        for (; k < block; ++k) act.template on<T, 1>(rows_at(k));
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
