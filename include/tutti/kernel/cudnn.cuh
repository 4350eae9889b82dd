#pragma once
#include <tutti/kernel/channels_last_backend.hpp>
#include <tutti/kernel/cudnn_convolution.cuh>
#include <tutti/kernel/cudnn_dense.cuh>
#include <tutti/kernel/device_groups.hpp>

namespace tutti {

namespace cudnn {

/// A CUDA device, as `channels_last_backend` wants a machine.
struct machine {
  using context = cudnn::context;
  using device = gpu;
  using groups = device_groups<gpu>;
  using graph = cudnn::graph;
  using range = device_range;
  template <class T>
  using convolution = cudnn::convolution<T>;
  template <class T>
  using dense = cudnn::dense<T>;

  /// Work beside the context's.
  class stream {
   public:
    explicit stream(context& c) : stream_(c.device().device()) {}
    ordered_on order() const { return on(stream_); }

   private:
    device_stream stream_;
  };
};

}  // namespace cudnn

/// The arithmetic of a network on a CUDA device, in float, half or bfloat16, by cuDNN
/// (convolutions), cuBLAS (dense layers) and kernels of our own. Work is done in the
/// order of the context's stream.
template <class T>
using cudnn_backend = channels_last_backend<T, cudnn::machine>;

}  // namespace tutti
