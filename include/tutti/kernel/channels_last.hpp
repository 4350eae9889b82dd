#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>
#include <tutti/device/pull_body.hpp>
#include <tutti/device/thrust.hpp>
#include <tutti/kernel/channels_last_lanes.hpp>
#include <tutti/kernel/dropout.hpp>
#include <tutti/kernel/geometry.hpp>

// What a network does besides products and convolutions, on pictures whose channels
// lie side by side (batch, depth, height, width, channels): written once for host and
// device, where neighbouring threads take neighbouring channels. Sums of 16-bit
// numbers are floats. Nothing is added up in an order that depends on the run.

namespace tutti::channels_last {

using elementwise::order_of;

/// What elements are added up in.
template <class T>
using sum_of = wide<T, plus>;

/// Sizes of pictures, whose depth is 1 where they have none: `stored` counts them.
struct sizes {
  std::size_t batch = 0, channels = 0, height = 1, width = 1, depth = 1;
  constexpr std::size_t places() const { return depth * height * width; }
  constexpr std::size_t stored() const { return batch * channels * places(); }
  friend constexpr bool operator==(const sizes&, const sizes&) = default;
};

/// A box that lies in two memories, each with a first element and its own steps.
struct region {
  static constexpr int dimensions = 5;  ///< of which any may have one element
  std::size_t size[dimensions] = {};
  std::size_t from_first = 0, from_step[dimensions] = {};
  std::size_t into_first = 0, into_step[dimensions] = {};

  constexpr std::size_t elements() const {
    std::size_t all = 1;
    for (std::size_t each : size) all *= each;
    return all;
  }
};

namespace detail {

template <class To, class From>
struct reordered {
  const From* in;
  To* out;
  std::size_t channels, places;
  bool to_rows;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % channels, place = i / channels % places, n = i / channels / places, row = (n * channels + c) * places + place;
    if (to_rows) out[row] = static_cast<To>(static_cast<sum_of<From>>(in[i]));
    else out[i] = static_cast<To>(static_cast<sum_of<From>>(in[row]));
  }
};

template <class T, bool Add>
struct moved {
  const T* from;
  T* into;
  region r;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    std::size_t a = r.from_first, b = r.into_first;
    for (int d = region::dimensions - 1; d >= 0; --d) {
      if (r.size[d] == 1) continue;
      a += i % r.size[d] * r.from_step[d], b += i % r.size[d] * r.into_step[d];
      i /= r.size[d];
    }
    if constexpr (Add) into[b] = static_cast<T>(static_cast<sum_of<T>>(into[b]) + static_cast<sum_of<T>>(from[a]));
    else into[b] = from[a];
  }
};

template <class T, std::size_t Lanes>
struct sum_of_two {
  const T *a, *b;
  T* y;
  std::size_t groups;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const strip<Lanes> at(i, groups, Lanes);
    T one[rows_at_once][Lanes], other[rows_at_once][Lanes];
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      const std::size_t r = at.row + k * at.step;
      if (r < groups) load_lanes(one[k], a + r * Lanes), load_lanes(other[k], b + r * Lanes);
    }
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      const std::size_t r = at.row + k * at.step;
      if (r >= groups) continue;
      for (std::size_t j = 0; j < Lanes; ++j) {
        const sum_of<T> sum = static_cast<sum_of<T>>(one[k][j]) + static_cast<sum_of<T>>(other[k][j]);
        one[k][j] = static_cast<T>(relu && !(sum_of<T>{} < sum) ? sum_of<T>{} : sum);
      }
      store_lanes(y + r * Lanes, one[k]);
    }
  }
};

template <class T>
struct constant {
  T* y;
  T value;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const { y[i] = value; }
};

template <class To, class From>
struct rounded {
  const From* in;
  To* out;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const { out[i] = static_cast<To>(static_cast<sum_of<From>>(in[i])); }
};

template <class T>
struct increased {
  T* y;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const { y[i] = y[i] + T{1}; }
};

template <class T>
struct biased {
  T* y;
  const sum_of<T>* bias;
  std::size_t channels;
  bool relu;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    auto value = static_cast<sum_of<T>>(y[i]);
    if (bias) value = value + bias[i % channels];
    y[i] = relu && !(sum_of<T>{} < value) ? T{} : static_cast<T>(value);
  }
};

template <class T, std::size_t Lanes>
struct masked {
  const T* y;
  T* dy;
  std::size_t groups;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const strip<Lanes> at(i, groups, Lanes);
    T seen[rows_at_once][Lanes], given[rows_at_once][Lanes];
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      const std::size_t r = at.row + k * at.step;
      if (r < groups) load_lanes(seen[k], y + r * Lanes), load_lanes(given[k], dy + r * Lanes);
    }
    for (std::size_t k = 0; k < rows_at_once; ++k) {
      const std::size_t r = at.row + k * at.step;
      if (r >= groups) continue;
      for (std::size_t j = 0; j < Lanes; ++j)
        if (!(sum_of<T>{} < static_cast<sum_of<T>>(seen[k][j]))) given[k][j] = T{};
      store_lanes(dy + r * Lanes, given[k]);
    }
  }
};

template <class T>
struct column_part {
  const T* x;
  sum_of<T>* parts;
  std::size_t rows, channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    sum_of<T> sum{};
    for (std::size_t r = i / channels; r < rows; r += splits) sum = sum + static_cast<sum_of<T>>(x[r * channels + i % channels]);
    parts[i] = sum;
  }
};

template <class T>
struct column_whole {
  const sum_of<T>* parts;
  sum_of<T>* out;
  std::size_t channels, splits;
  TUTTI_HOST_DEVICE void operator()(std::size_t c) const {
    sum_of<T> sum{};
    for (std::size_t k = 0; k < splits; ++k) sum = sum + parts[k * channels + c];
    out[c] = sum;
  }
};

template <class T>
struct dropped {
  T* y;
  dropout_mask mask;
  const std::uint32_t* step;  // none: the mask's own
  sizes lies, whole;
  std::size_t first[5];  // of batch, channels, depth, height, width
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const std::size_t c = i % lies.channels, w = i / lies.channels % lies.width, h = i / lies.channels / lies.width % lies.height,
                      d = i / lies.channels / lies.width / lies.height % lies.depth, n = i / lies.channels / lies.places();
    const std::size_t plane = ((first[0] + n) * whole.channels + first[1] + c) * whole.depth + first[2] + d;
    const std::size_t number = (plane * whole.height + first[3] + h) * whole.width + first[4] + w;
    const auto factor = static_cast<sum_of<T>>(1 / (1 - mask.rate));
    dropout_mask now = mask;
    if (step) now.step = *step;
    y[i] = now.keeps(number) ? static_cast<T>(static_cast<sum_of<T>>(y[i]) * factor) : T{};
  }
};

template <memory_space Space, class Function>
void each(std::size_t n, const Function& f, const order_of<Space>& order) {
  elementwise::detail::for_each_index<Space>(n, f, order);
}

}  // namespace detail

/// Row-major pictures (batch, channels, depth, height, width) with their channels last, and
/// back; another element type is rounded to.
template <class To, class From, memory_space Space>
void from_rows(const sizes& s, span<const From, Space> in, span<To, Space> out, const order_of<Space>& order) {
  detail::each<Space>(s.stored(), detail::reordered<To, From>{in.data(), out.data(), s.channels, s.places(), false}, order);
}
template <class To, class From, memory_space Space>
void to_rows(const sizes& s, span<const From, Space> in, span<To, Space> out, const order_of<Space>& order) {
  detail::each<Space>(s.stored(), detail::reordered<To, From>{in.data(), out.data(), s.channels, s.places(), true}, order);
}

/// Packs what is sent, or stores what has come: halos, and what a resharding moves.
template <class T, memory_space Space>
void copy_region(const region& r, span<const T, Space> from, span<T, Space> into, const order_of<Space>& order) {
  detail::each<Space>(r.elements(), detail::moved<T, false>{from.data(), into.data(), r}, order);
}
/// The same on the way back, where gradients are added.
template <class T, memory_space Space>
void add_region(const region& r, span<const T, Space> from, span<T, Space> into, const order_of<Space>& order) {
  detail::each<Space>(r.elements(), detail::moved<T, true>{from.data(), into.data(), r}, order);
}

template <class T, memory_space Space>
void fill(span<T, Space> y, T value, const order_of<Space>& order) {
  detail::each<Space>(y.size(), detail::constant<T>{y.data(), value}, order);
}

/// Each element as the other type; both (n).
template <class To, class From, memory_space Space>
void round_to(span<const From, Space> in, span<To, Space> out, const order_of<Space>& order) {
  detail::each<Space>(out.size(), detail::rounded<To, From>{in.data(), out.data()}, order);
}

/// Each element is 1 more.
template <class T, memory_space Space>
void increase(span<T, Space> y, const order_of<Space>& order) {
  detail::each<Space>(y.size(), detail::increased<T>{y.data()}, order);
}

/// y = a + b, or max(a + b, 0) where `relu`; a and b may lie where y does.
template <class T, memory_space Space>
void add(span<const T, Space> a, span<const T, Space> b, span<T, Space> y, bool relu, const order_of<Space>& order) {
  by_lanes<T>(y.size(), [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
    const std::size_t groups = y.size() / Lanes;
    detail::each<Space>(strip<Lanes>::threads(groups, Lanes), detail::sum_of_two<T, Lanes>{a.data(), b.data(), y.data(), groups, relu}, order);
  }, a.data(), b.data(), y.data());
}

/// y ← y + bias (channels), then max(·, 0) where `relu`; without a bias where that is
/// empty. y (rows, channels).
template <class T, memory_space Space>
void add_bias(span<T, Space> y, span<const sum_of<T>, Space> bias, std::size_t channels, bool relu, const order_of<Space>& order) {
  detail::each<Space>(y.size(), detail::biased<T>{y.data(), bias.empty() ? nullptr : bias.data(), channels, relu}, order);
}

/// dy ← 0 where y is not above 0.
template <class T, memory_space Space>
void relu_backward(span<const T, Space> y, span<T, Space> dy, const order_of<Space>& order) {
  by_lanes<T>(dy.size(), [&]<std::size_t Lanes>(std::integral_constant<std::size_t, Lanes>) {
    const std::size_t groups = dy.size() / Lanes;
    detail::each<Space>(strip<Lanes>::threads(groups, Lanes), detail::masked<T, Lanes>{y.data(), dy.data(), groups}, order);
  }, y.data(), dy.data());
}

/// How many threads add up one channel of so many rows.
constexpr std::size_t splits_of(std::size_t rows, std::size_t channels) {
  const std::size_t wanted = channels > 0 ? (std::size_t{1} << 16) / channels + 1 : 1, most = rows / 32 + 1;
  return wanted < most ? wanted : most;
}

/// out (channels) = Σ over rows of x (rows, channels): a bias's gradient. `parts` is
/// scratch of splits_of(rows, channels) · channels.
template <class T, memory_space Space>
void column_sums(span<const T, Space> x, std::size_t channels, span<sum_of<T>, Space> parts, span<sum_of<T>, Space> out, const order_of<Space>& order) {
  if (channels == 0) return;
  const std::size_t rows = x.size() / channels, splits = splits_of(rows, channels);
  detail::each<Space>(splits * channels, detail::column_part<T>{x.data(), parts.data(), rows, channels, splits}, order);
  detail::each<Space>(channels, detail::column_whole<T>{parts.data(), out.data(), channels, splits}, order);
}

/// As `dropout_mask::apply`: of pictures of the sizes `lies`, which begin at `first`
/// (of batch, channels, depth, height, width) of the `whole` tensor. In place. `step` (1) is
/// the mask's where it is not empty: it may go on while a graph is replayed.
template <class T, memory_space Space>
void dropout(const dropout_mask& mask, span<const std::uint32_t, Space> step, const sizes& lies, const sizes& whole, const std::size_t (&first)[5], span<T, Space> y,
             const order_of<Space>& order) {
  detail::each<Space>(lies.stored(), detail::dropped<T>{y.data(), mask, step.empty() ? nullptr : step.data(), lies, whole, {first[0], first[1], first[2], first[3], first[4]}},
                      order);
}

}  // namespace tutti::channels_last
