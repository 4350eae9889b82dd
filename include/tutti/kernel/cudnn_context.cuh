#pragma once
#include <cstddef>
#include <type_traits>

#include <cublas_v2.h>
#include <cudnn.h>

#include <tutti/base/numbers.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/device_memory.hpp>
#include <tutti/device/gpu.hpp>
#include <tutti/kernel/recorded_work.hpp>

// What the operations on cuDNN and cuBLAS share.

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

}  // namespace detail

template <class T>
inline constexpr cudnnDataType_t cudnn_type = [] {
  static_assert(std::is_same_v<T, float>, "tutti: layers on devices compute on float, half or bfloat16");
  return CUDNN_DATA_FLOAT;
}();
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
  /// Algorithms of convolutions are tried out when a layer is made, where cuDNN is else
  /// asked which it expects to be fastest: like devices may then choose differently, and
  /// ranks round differently.
  bool measure = false;
  /// Of device memory, which convolutions and products share.
  std::size_t workspace_bytes = std::size_t{256} << 20;
};

/// A stream of a device, and what works in its order. One at a time; layers are made
/// before a step is captured into a graph, and after that nothing waits or allocates.
class context : public recordable {
 public:
  using space = cuda;

  explicit context(const context_options& o = {})
      : here_(o.device), device_(o.device), options_(o), stream_(o.device), workspace_(o.workspace_bytes) {
    detail::check(::cudnnSetStream(dnn_, stream_.native()), "giving cuDNN its stream");
    detail::check(::cublasSetStream(blas_, stream_.native()), "giving cuBLAS its stream");
    detail::check(::cublasSetWorkspace(blas_, workspace_.data(), workspace_.size()), "giving cuBLAS its memory");
    detail::check(::cublasSetMathMode(blas_, o.tf32 ? CUBLAS_TF32_TENSOR_OP_MATH : CUBLAS_DEFAULT_MATH), "choosing how cuBLAS multiplies");
  }

  ordered_on order() const { return on(stream_); }
  const device_stream& stream() const { return stream_; }
  const gpu& device() const { return device_; }
  void wait() const {
    if (!has_waited()) stream_.wait();
  }
  cudnnHandle_t dnn() const { return dnn_; }
  cublasHandle_t blas() const { return blas_; }
  bool tf32() const { return options_.tf32; }
  bool measures() const { return options_.measure; }
  std::byte* workspace() { return workspace_.data(); }
  std::size_t workspace_bytes() const { return workspace_.size(); }
  /// So much memory for what lies there until its caller has waited; kept for the next.
  std::byte* scratch(std::size_t bytes) {
    if (scratch_.size() < bytes) scratch_ = buffer<std::byte, cuda>(bytes);
    return scratch_.data();
  }

 private:
  tutti::detail::current_device here_;  // the libraries' handles are of the current device
  gpu device_;
  context_options options_;
  device_stream stream_;
  buffer<std::byte, cuda> workspace_, scratch_{};
  detail::owned<cudnnHandle_t, ::cudnnCreate, ::cudnnDestroy> dnn_;
  detail::owned<cublasHandle_t, ::cublasCreate_v2, ::cublasDestroy_v2> blas_;
};

/// What a context is given between `begin` and `end`, once for good, and nothing of which is
/// done then: later it is replayed with the same memory. What waits, takes memory or asks
/// other ranks cannot be recorded.
class graph {
 public:
  graph() = default;
  graph(const graph&) = delete;
  graph& operator=(const graph&) = delete;
  ~graph() {
    if (ready_) ::cudaGraphExecDestroy(ready_);
  }

  void begin(context& c) {
    tutti::detail::check_device(::cudaStreamBeginCapture(c.order().native, cudaStreamCaptureModeThreadLocal), "beginning a graph");
  }
  /// Throws `device` where what was given cannot be recorded.
  void end(context& c) {
    cudaGraph_t made{};
    tutti::detail::check_device(::cudaStreamEndCapture(c.order().native, &made), "ending a graph");
    std::size_t nodes = 0;
    cudaError_t answer = ::cudaGraphGetNodes(made, nullptr, &nodes);
    if (answer == cudaSuccess && nodes > 0) answer = ::cudaGraphInstantiate(&ready_, made, 0);
    ::cudaGraphDestroy(made);
    tutti::detail::check_device(answer, "making a graph ready");
  }
  /// In the place of `end`.
  void give_up(context& c) {
    cudaGraph_t half{};
    ::cudaStreamEndCapture(c.order().native, &half);
    if (half) ::cudaGraphDestroy(half);
    ::cudaGetLastError();
  }
  /// Whether there is nothing to replay.
  bool empty() const { return !ready_; }
  void replay(context& c) { tutti::detail::check_device(::cudaGraphLaunch(ready_, c.order().native), "replaying a graph"); }

 private:
  cudaGraphExec_t ready_ = nullptr;
};

}  // namespace tutti::cudnn
