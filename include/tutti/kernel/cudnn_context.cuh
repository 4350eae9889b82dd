#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <cublas_v2.h>
#include <cudnn.h>
#include <nvtx3/nvToolsExt.h>

#include <tutti/base/numbers.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/device_memory.hpp>
#include <tutti/device/pointer.hpp>
#include <tutti/kernel/channels_last.hpp>
#include <tutti/kernel/shape.hpp>

// What the operations on cuDNN and cuBLAS share. Pictures lie with their channels last.

namespace tutti::cudnn {

namespace detail {

inline void check(cudnnStatus_t answer, const char* doing) {
  if (answer != CUDNN_STATUS_SUCCESS) throw error(errc::device, format("%s: %s", doing, ::cudnnGetErrorString(answer)));
}
inline void check(cublasStatus_t answer, const char* doing) {
  if (answer != CUBLAS_STATUS_SUCCESS) throw error(errc::device, format("%s: %s", doing, ::cublasGetStatusString(answer)));
}

/// What a library makes and takes back.
template <class Native, auto Make, auto Destroy>
class owned {
 public:
  owned() { check(Make(&native_), "making a handle"); }
  owned(const owned&) = delete;
  owned& operator=(const owned&) = delete;
  ~owned() { Destroy(native_); }
  operator Native() const { return native_; }  // NOLINT: it stands for it

 private:
  Native native_{};
};

/// What a profiler shows of the host's time.
class range {
 public:
  explicit range(const char* name) { ::nvtxRangePushA(name); }
  range(const range&) = delete;
  range& operator=(const range&) = delete;
  ~range() { ::nvtxRangePop(); }
};

/// Kernels on devices know pictures of two dimensions.
inline void need_flat(std::size_t depth) {
  if (depth > 1) throw error(errc::not_supported, format("pictures of depth %zu: on devices they have height and width only", depth));
}

}  // namespace detail

template <class T>
inline constexpr cudnnDataType_t cudnn_type = CUDNN_DATA_FLOAT;
template <>
inline constexpr cudnnDataType_t cudnn_type<half> = CUDNN_DATA_HALF;
template <>
inline constexpr cudnnDataType_t cudnn_type<bfloat16> = CUDNN_DATA_BFLOAT16;
template <class T>
inline constexpr cudaDataType cublas_type = CUDA_R_32F;
template <>
inline constexpr cudaDataType cublas_type<half> = CUDA_R_16F;
template <>
inline constexpr cudaDataType cublas_type<bfloat16> = CUDA_R_16BF;

struct context_options {
  int device = 0;
  bool tf32 = false;  ///< floats are multiplied with 10 bits behind the point
  /// Of device memory, which convolutions and products share.
  std::size_t workspace_bytes = std::size_t{256} << 20;
};

/// A stream of a device, and what works in its order. One at a time; layers are made
/// before a step is captured into a graph, and after that nothing waits or allocates.
class context {
 public:
  explicit context(const context_options& o = {})
      : here_(o.device), options_(o), stream_(o.device), workspace_(o.workspace_bytes) {
    detail::check(::cudnnSetStream(dnn_, stream_.native()), "giving cuDNN its stream");
    detail::check(::cublasSetStream(blas_, stream_.native()), "giving cuBLAS its stream");
    detail::check(::cublasSetWorkspace(blas_, workspace_.data(), workspace_.size()), "giving cuBLAS its memory");
    detail::check(::cublasSetMathMode(blas_, o.tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH), "choosing how cuBLAS multiplies");
  }

  ordered_on order() const { return on(stream_); }
  const device_stream& stream() const { return stream_; }
  cudnnHandle_t dnn() const { return dnn_; }
  cublasHandle_t blas() const { return blas_; }
  bool tf32() const { return options_.tf32; }
  std::byte* workspace() { return workspace_.data(); }
  std::size_t workspace_bytes() const { return workspace_.size(); }

 private:
  tutti::detail::current_device here_;  // the libraries' handles are of the current device
  context_options options_;
  device_stream stream_;
  buffer<std::byte, cuda> workspace_;
  detail::owned<cudnnHandle_t, ::cudnnCreate, ::cudnnDestroy> dnn_;
  detail::owned<cublasHandle_t, ::cublasCreate_v2, ::cublasDestroy_v2> blas_;
};

/// Sizes, and whether elements are row-major or have their channels last.
class picture_format {
 public:
  picture_format() = default;
  explicit picture_format(const channels_last::sizes& s, bool rows = false) : sizes_(s), rows_(rows && s.places() > 1) {}

  /// Of a shape (batch, channels, height, width), (rows, columns) or (elements).
  static picture_format row_major(const shape& s) {
    auto at = [&](std::size_t d) { return d < s.rank() ? s[d].size : 1; };
    if (s.rank() > 4) detail::need_flat(s[2].size);
    if (s.rank() == 1) return picture_format({.batch = 1, .channels = s[0].size});
    return picture_format({.batch = at(0), .channels = at(1), .height = at(2), .width = at(3)}, true);
  }
  picture_format row_major() const { return picture_format(sizes_, true); }

  const channels_last::sizes& sizes() const { return sizes_; }
  bool rows() const { return rows_; }
  std::size_t stored() const { return sizes_.stored(); }
  std::uint64_t fingerprint() const { return sizes_.stored() * 2 + rows_; }
  friend bool operator==(const picture_format&, const picture_format&) = default;

 private:
  channels_last::sizes sizes_{};
  bool rows_ = false;
};

/// Data in a format: in device memory of its own, or in somebody else's, which `copy`
/// takes from the host too.
template <class T>
class tensor {
 public:
  using space = cuda;

  tensor() = default;
  tensor(context&, const picture_format& f) : format_(f), own_(f.stored()), data_(own_.data()) {}
  tensor(context&, const picture_format& f, T* data) : format_(f), data_(data) {}
  tensor(tensor&&) = default;
  tensor& operator=(tensor&&) = default;

  const picture_format& format() const { return format_; }
  span<T, cuda> stored() { return {data_, format_.stored()}; }
  span<const T, cuda> stored() const { return {data_, format_.stored()}; }

 private:
  picture_format format_{};
  buffer<T, cuda> own_{};
  T* data_ = nullptr;
};

/// From one format to another, of as many elements; from and to the host as well, for
/// which it waits.
template <class T>
void copy(context& c, const tensor<T>& from, tensor<T>& into) {
  const std::size_t n = into.stored().size();
  if (n == 0) return;
  auto is_there = [](const void* data) { return tutti::detail::is_of_device(tutti::detail::attributes_of(data)); };
  auto move = [&](void* to, const void* source) {
    tutti::detail::check_device(::cudaMemcpyAsync(to, source, n * sizeof(T), cudaMemcpyDefault, c.order().native), "copying");
  };
  const bool from_there = is_there(from.stored().data()), into_there = is_there(into.stored().data());
  // Pictures and the features that they are: those are in the order of rows.
  const bool from_pictures = from.format().sizes().places() > 1;
  const channels_last::sizes s = from_pictures ? from.format().sizes() : into.format().sizes();
  auto rows = [&](const picture_format& f) { return f.rows() || !(f.sizes() == s); };
  if (rows(from.format()) == rows(into.format())) {
    move(into.stored().data(), from.stored().data());
  } else {
    buffer<T, cuda> source(from_there ? 0 : n), result(into_there ? 0 : n);
    if (!from_there) move(source.data(), from.stored().data());
    const span<const T, cuda> x = from_there ? from.stored() : span<const T, cuda>(source.data(), n);
    const span<T, cuda> y = into_there ? into.stored() : span<T, cuda>(result.data(), n);
    if (rows(from.format())) channels_last::from_rows<T, T, cuda>(s, x, y, c.order());
    else channels_last::to_rows<T, T, cuda>(s, x, y, c.order());
    if (!into_there) move(into.stored().data(), result.data());
    if (!from_there || !into_there) c.stream().wait();
    return;
  }
  if (!from_there || !into_there) c.stream().wait();
}

}  // namespace tutti::cudnn
