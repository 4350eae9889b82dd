#pragma once
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cpp/execution_policy.h>
#include <thrust/transform.h>

#include <tutti/base/accumulation.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>
#include <tutti/device/host_device.hpp>
#include <tutti/device/pull_body.hpp>
#if TUTTI_ON_CUDA
#include <thrust/system/cuda/execution_policy.h>
#include <thrust/system_error.h>

#include <tutti/device/stream.hpp>
#endif

// What is one thing on the host and on a device, written once: the memory's space
// says where it runs. On a device it is ordered by a stream and nothing waits; the
// host's collectives keep the loop of device/fold.hpp: tutti.hpp needs UCX and
// nothing else, and on pieces that lie in the cache that loop is the faster one.

namespace tutti::elementwise {

/// The host, at once.
struct here {};

template <memory_space Space>
struct place;
template <>
struct place<host> {
  using order = here;
  struct nothing {};
  static nothing turn_to(here) { return {}; }
  static auto policy(here) { return thrust::cpp::par; }
};
#if TUTTI_ON_CUDA
template <>
struct place<cuda> {
  using order = ordered_on;
  /// Kernels are given to the current device, whatever their stream is of.
  static auto turn_to(const ordered_on& o) { return tutti::detail::current_device(o.device); }
  static auto policy(const ordered_on& o) { return thrust::cuda::par_nosync.on(o.native); }
};
#endif
template <memory_space Space>
using order_of = typename place<Space>::order;

namespace detail {

inline void need_as_many(const char* who, std::size_t one, std::size_t other) {
  if (one != other) throw error(errc::invalid_argument, format("%s: %zu elements and %zu", who, one, other));
}

template <class T, std::size_t Ins, std::size_t Outs, class Op>
struct fold_all {
  const T* in[Ins];
  T* out[Outs];
  Op op;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    auto sum = static_cast<wide<T, Op>>(in[0][i]);
    for (std::size_t k = 1; k < Ins; ++k) sum = op(sum, static_cast<wide<T, Op>>(in[k][i]));
    for (std::size_t k = 0; k < Outs; ++k) out[k][i] = static_cast<T>(sum);
  }
};

template <class To, class From>
struct to_type {
  TUTTI_HOST_DEVICE To operator()(const From& x) const { return tutti::detail::converted<To>(x); }
};

template <class T>
struct times {
  T factor;
  TUTTI_HOST_DEVICE T operator()(const T& x) const { return static_cast<T>(x * factor); }
};

template <class T>
struct sgd_step {
  T* value;
  T* velocity;
  const T* gradient;
  T rate, momentum, decay;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const {
    const T v = momentum * velocity[i] + (gradient[i] + decay * value[i]);
    velocity[i] = v;
    value[i] -= rate * v;
  }
};

struct to_int8 {
  float scale;
  TUTTI_HOST_DEVICE std::int8_t operator()(float x) const {
    const float q = ::rintf(x / scale);
    return static_cast<std::int8_t>(q > 127.0f ? 127.0f : q >= -127.0f ? q : -127.0f);
  }
};
struct from_int8 {
  float scale;
  TUTTI_HOST_DEVICE float operator()(std::int8_t q) const { return static_cast<float>(q) * scale; }
};

template <class T>
struct rows_of {
  const T* in;
  T* out;
  std::size_t length, stride;
  TUTTI_HOST_DEVICE void operator()(std::size_t i) const { out[i] = in[i / length * stride + i % length]; }
};

// What a device refuses, in Tutti's words.
template <class Body>
void given(Body body) {
#if TUTTI_ON_CUDA
  try {
    body();
  } catch (const thrust::system_error& e) {
    throw error(errc::device, format("starting a kernel: %s", e.what()));
  }
#else
  body();
#endif
}

// A place without a policy of Thrust's does it in a way of its own.
template <memory_space Space, class Function>
void for_each_index(std::size_t n, const Function& f, const order_of<Space>& order) {
  if constexpr (requires { place<Space>::policy(order); }) {
    [[maybe_unused]] const auto turned = place<Space>::turn_to(order);
    given([&] { thrust::for_each_n(place<Space>::policy(order), thrust::counting_iterator<std::size_t>(0), n, f); });
  } else {
    place<Space>::for_each(n, f, order);
  }
}

template <memory_space Space, class... Arguments>
void transform(const order_of<Space>& order, const Arguments&... arguments) {
  [[maybe_unused]] const auto turned = place<Space>::turn_to(order);
  given([&] { thrust::transform(place<Space>::policy(order), arguments...); });
}

}  // namespace detail

/// out[i] = left[i] ∘ right[i]; all (n). `out` may be an input.
template <class T, memory_space Space, class Op>
void fold(span<T, Space> out, std::type_identity_t<span<const T, Space>> left, std::type_identity_t<span<const T, Space>> right, const Op& op,
          const order_of<Space>& order) {
  detail::need_as_many("fold", out.size(), left.size());
  detail::need_as_many("fold", out.size(), right.size());
  detail::transform<Space>(order, left.data(), left.data() + left.size(), right.data(), out.data(), op);
}

/// Each of `outs` = ins[0] ∘ ins[1] ∘ …, in this order; all (n). An output may be an
/// input. Short floats are folded in float, where the operation takes that, and
/// rounded once.
template <class T, memory_space Space, std::size_t Ins, std::size_t Outs, class Op>
void fold(const std::array<span<T, Space>, Outs>& outs, const std::array<span<const T, Space>, Ins>& ins, const Op& op, const order_of<Space>& order) {
  detail::fold_all<T, Ins, Outs, Op> f{{}, {}, op};
  for (std::size_t k = 0; k < Ins; ++k) detail::need_as_many("fold", outs[0].size(), ins[k].size()), f.in[k] = ins[k].data();
  for (std::size_t k = 0; k < Outs; ++k) detail::need_as_many("fold", outs[0].size(), outs[k].size()), f.out[k] = outs[k].data();
  detail::for_each_index<Space>(outs[0].size(), f, order);
}

/// x[i] · factor, in place.
template <class T, memory_space Space>
void scale(span<T, Space> x, std::type_identity_t<T> factor, const order_of<Space>& order) {
  detail::transform<Space>(order, x.data(), x.data() + x.size(), x.data(), detail::times<T>{factor});
}

/// Each element as the other type, rounded to the nearest; both (n).
template <class To, class From, memory_space Space>
void convert(span<To, Space> out, span<From, Space> in, const order_of<Space>& order) {
  detail::need_as_many("convert", out.size(), in.size());
  detail::transform<Space>(order, in.data(), in.data() + in.size(), out.data(), detail::to_type<To, std::remove_const_t<From>>{});
}

/// A step of `sgd`: velocity ← momentum·velocity + gradient + decay·value, then
/// value ← value − rate·velocity; all (n).
template <class T, memory_space Space>
void sgd_update(span<T, Space> values, std::type_identity_t<span<T, Space>> velocities, std::type_identity_t<span<const T, Space>> gradients, std::type_identity_t<T> rate,
                std::type_identity_t<T> momentum, std::type_identity_t<T> decay, const order_of<Space>& order) {
  detail::need_as_many("sgd_update", values.size(), velocities.size());
  detail::need_as_many("sgd_update", values.size(), gradients.size());
  detail::for_each_index<Space>(values.size(), detail::sgd_step<T>{values.data(), velocities.data(), gradients.data(), rate, momentum, decay}, order);
}

/// out[i] = in[i] / scale, rounded to the nearest of −127 … 127, ties to even; what
/// is no number becomes −127. Both (n).
template <memory_space Space>
void quantise(span<std::int8_t, Space> out, std::type_identity_t<span<const float, Space>> in, float scale, const order_of<Space>& order) {
  detail::need_as_many("quantise", out.size(), in.size());
  detail::transform<Space>(order, in.data(), in.data() + in.size(), out.data(), detail::to_int8{scale});
}

/// out[i] = in[i] · scale; both (n).
template <memory_space Space>
void dequantise(span<float, Space> out, std::type_identity_t<span<const std::int8_t, Space>> in, float scale, const order_of<Space>& order) {
  detail::need_as_many("dequantise", out.size(), in.size());
  detail::transform<Space>(order, in.data(), in.data() + in.size(), out.data(), detail::from_int8{scale});
}

/// Rows of `length` elements that begin every `stride` elements from `in` on, one
/// after the other: `out` (rows, length). Precondition: `in` holds the last row.
template <class T, memory_space Space>
void gather_rows(span<T, Space> out, std::type_identity_t<span<const T, Space>> in, std::size_t length, std::size_t stride, const order_of<Space>& order) {
  const std::size_t rows = length > 0 ? out.size() / length : 0;
  if (rows * length != out.size() || (rows > 0 && (rows - 1) * stride + length > in.size()))
    throw error(errc::invalid_argument, format("gather_rows: %zu elements are not rows of %zu, every %zu of %zu", out.size(), length, stride, in.size()));
  detail::for_each_index<Space>(out.size(), detail::rows_of<T>{in.data(), out.data(), length, stride}, order);
}

}  // namespace tutti::elementwise
