#pragma once
#include <array>
#include <cstddef>

#include <tutti/kernel/cudnn_context.cuh>
#include <tutti/kernel/picture_format.hpp>

namespace tutti::cudnn {

/// The products of a convolution by cuDNN: weights (filters, channels / groups, through, down,
/// across) and pictures, with depth or without, with their channels last. Algorithms are chosen once: of those
/// that give the same bits every time and fit into the context's memory, the one that
/// cuDNN expects to be fastest, or, where the context measures, that was. Unless asked
/// to, nothing is measured, so that like devices choose alike: replicas whose gradients are
/// not summed stay the same. cuDNN pads both sides alike:
/// where they differ, pictures are copied into wider ones first.
template <class T>
class convolution {
 public:
  convolution(context& c, const convolution_geometry& g, bool train, bool input_gradient)
      : c_(&c), g_(g), wide_(channels_last::pictures_of(g)) {
    const window along[] = {g.through, g.down, g.across};
    int pads[3], strides[3], dilations[3];
    bool evenly = true;
    for (int d = 0; d < 3; ++d) {
      evenly = evenly && along[d].pad_low == along[d].pad_high;
      pads[d] = number(along[d].pad_low), strides[d] = number(along[d].stride), dilations[d] = number(along[d].dilation);
    }
    if (!evenly) {
      std::size_t* const sizes[] = {&wide_.depth, &wide_.height, &wide_.width};
      for (int d = 0; d < 3; ++d) *sizes[d] += along[d].pad_low + along[d].pad_high, pads[d] = 0;
      padded_ = buffer<T, cuda>(wide_.stored());
    }
    // Pictures of one plane are cuDNN's of two dimensions, for which it has most.
    const int skipped = g.depth > 1 || g.through != window{} ? 0 : 1;
    describe(x_of_, wide_, skipped), describe(y_of_, channels_last::results_of(g), skipped);
    const int weights[] = {number(g.filters), number(g.group_channels()), number(g.through.size), number(g.down.size), number(g.across.size)};
    const int of_two[] = {weights[0], weights[1], weights[3], weights[4]};
    detail::check(::cudnnSetFilterNdDescriptor(w_of_, cudnn_type<T>, CUDNN_TENSOR_NHWC, 5 - skipped, skipped ? of_two : weights), "describing weights");
    detail::check(::cudnnSetConvolutionNdDescriptor(how_, 3 - skipped, pads + skipped, strides + skipped, dilations + skipped, CUDNN_CROSS_CORRELATION,
                                                    CUDNN_DATA_FLOAT), "describing a convolution");
    detail::check(::cudnnSetConvolutionGroupCount(how_, number(g.groups)), "describing a convolution in groups");
    const cudnnMathType_t math = sizeof(T) < 4 ? CUDNN_TENSOR_OP_MATH : c.tf32() ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
    detail::check(::cudnnSetConvolutionMathType(how_, math), "choosing how a convolution multiplies");
    choose(train, input_gradient);
  }

  void forward(span<const T, cuda> x, span<const T, cuda> w, span<T, cuda> y) {
    const device_range shown("convolution");
    detail::check(::cudnnConvolutionForward(c_->dnn(), &one, x_of_, widened(x), w_of_, w.data(), how_, forward_, c_->workspace(), c_->workspace_bytes(),
                                            &none, y_of_, y.data()), "a convolution");
  }
  void weights_gradient(span<const T, cuda> x, span<const T, cuda> dy, span<T, cuda> dw) {
    const device_range shown("convolution, gradient of weights");
    detail::check(::cudnnConvolutionBackwardFilter(c_->dnn(), &one, x_of_, widened(x), y_of_, dy.data(), how_, of_weights_, c_->workspace(),
                                                   c_->workspace_bytes(), &none, w_of_, dw.data()), "the gradient of a convolution's weights");
  }
  void data_gradient(span<const T, cuda> w, span<const T, cuda> dy, span<T, cuda> dx) {
    const device_range shown("convolution, gradient of pictures");
    T* const into = padded_.empty() ? dx.data() : padded_.data();
    detail::check(::cudnnConvolutionBackwardData(c_->dnn(), &one, w_of_, w.data(), y_of_, dy.data(), how_, of_data_, c_->workspace(),
                                                 c_->workspace_bytes(), &none, x_of_, into), "the gradient of a convolution's pictures");
    if (!padded_.empty()) channels_last::copy_region<T, cuda>(inside(true), span<const T, cuda>(padded_), dx, c_->order());
  }

 private:
  static constexpr float one = 1, none = 0;
  static int number(std::size_t n) { return static_cast<int>(n); }

  using pictures = detail::owned<cudnnTensorDescriptor_t, ::cudnnCreateTensorDescriptor, ::cudnnDestroyTensorDescriptor>;
  using filters = detail::owned<cudnnFilterDescriptor_t, ::cudnnCreateFilterDescriptor, ::cudnnDestroyFilterDescriptor>;
  using method = detail::owned<cudnnConvolutionDescriptor_t, ::cudnnCreateConvolutionDescriptor, ::cudnnDestroyConvolutionDescriptor>;

  // Sizes in cuDNN's order, with the steps of channels that lie last; without the depth where that is `skipped`.
  static void describe(cudnnTensorDescriptor_t d, const channels_last::sizes& s, int skipped) {
    const int channels = number(s.channels), row = number(s.width * s.channels), plane = number(s.height * s.width * s.channels),
              picture = number(s.places() * s.channels);
    const int sizes[] = {number(s.batch), channels, number(s.depth), number(s.height), number(s.width)}, steps[] = {picture, 1, plane, row, channels};
    const int flat_sizes[] = {sizes[0], sizes[1], sizes[3], sizes[4]}, flat_steps[] = {steps[0], steps[1], steps[3], steps[4]};
    detail::check(::cudnnSetTensorNdDescriptor(d, cudnn_type<T>, 5 - skipped, skipped ? flat_sizes : sizes, skipped ? flat_steps : steps), "describing pictures");
  }

  // The first of those that will do; `needs(algorithm, bytes)` asks cuDNN whether it can
  // be had as the descriptors say, and for how much memory.
  template <class Performance, class Needs>
  auto best(const Performance* all, int found, const char* of, Needs needs) const {
    for (int k = 0; k < found; ++k) {
      std::size_t bytes = 0;
      if (all[k].status == CUDNN_STATUS_SUCCESS && all[k].determinism == CUDNN_DETERMINISTIC && needs(all[k].algo, &bytes) == CUDNN_STATUS_SUCCESS &&
          bytes <= c_->workspace_bytes())
        return all[k].algo;
    }
    throw error(errc::device, format("cuDNN has no algorithm for %s within %zu bytes that gives the same bits every time", of, c_->workspace_bytes()));
  }
  void choose(bool train, bool input_gradient) {
    constexpr int most = 16;
    const cudnnHandle_t dnn = c_->dnn();
    const buffer<T, cuda> x(tried(wide_.stored())), y(tried(channels_last::results_of(g_).stored())), w(tried(g_.weights()));
    const auto in = [](const buffer<T, cuda>& b) { return const_cast<T*>(b.data()); };
    std::byte* const space = c_->workspace();
    const std::size_t room = c_->workspace_bytes();
    int found = 0;
    std::array<cudnnConvolutionFwdAlgoPerf_t, most> forward;
    detail::check(c_->measures() ? ::cudnnFindConvolutionForwardAlgorithmEx(dnn, x_of_, x.data(), w_of_, w.data(), how_, y_of_, in(y), most, &found, forward.data(), space, room)
                                 : ::cudnnGetConvolutionForwardAlgorithm_v7(dnn, x_of_, w_of_, how_, y_of_, most, &found, forward.data()), "choosing a convolution");
    forward_ = best(forward.data(), found, "a convolution", [&](auto algorithm, std::size_t* bytes) {
      return ::cudnnGetConvolutionForwardWorkspaceSize(dnn, x_of_, w_of_, how_, y_of_, algorithm, bytes);
    });
    if (!train) return;
    std::array<cudnnConvolutionBwdFilterAlgoPerf_t, most> weights;
    detail::check(c_->measures() ? ::cudnnFindConvolutionBackwardFilterAlgorithmEx(dnn, x_of_, x.data(), y_of_, y.data(), how_, w_of_, in(w), most, &found, weights.data(),
                                                                                  space, room)
                                 : ::cudnnGetConvolutionBackwardFilterAlgorithm_v7(dnn, x_of_, y_of_, how_, w_of_, most, &found, weights.data()),
                  "choosing a gradient of weights");
    of_weights_ = best(weights.data(), found, "the gradient of weights", [&](auto algorithm, std::size_t* bytes) {
      return ::cudnnGetConvolutionBackwardFilterWorkspaceSize(dnn, x_of_, y_of_, how_, w_of_, algorithm, bytes);
    });
    if (!input_gradient) return;
    std::array<cudnnConvolutionBwdDataAlgoPerf_t, most> data;
    detail::check(c_->measures() ? ::cudnnFindConvolutionBackwardDataAlgorithmEx(dnn, w_of_, w.data(), y_of_, y.data(), how_, x_of_, in(x), most, &found, data.data(), space, room)
                                 : ::cudnnGetConvolutionBackwardDataAlgorithm_v7(dnn, w_of_, y_of_, how_, x_of_, most, &found, data.data()),
                  "choosing a gradient of pictures");
    of_data_ = best(data.data(), found, "the gradient of pictures", [&](auto algorithm, std::size_t* bytes) {
      return ::cudnnGetConvolutionBackwardDataWorkspaceSize(dnn, w_of_, y_of_, how_, x_of_, algorithm, bytes);
    });
  }
  // Something to try algorithms on, where that is done: ones, since on zeros a device is faster.
  buffer<T, cuda> tried(std::size_t elements) const {
    buffer<T, cuda> b(c_->measures() ? elements : 0);
    channels_last::fill<T, cuda>(span<T, cuda>(b), static_cast<T>(1.0f), c_->order());
    return b;
  }

  // From the pictures into the wider ones, or back.
  channels_last::region inside(bool back) const {
    channels_last::region r{.size = {g_.batch, g_.depth, g_.height, g_.width, g_.channels}};
    const std::size_t narrow[] = {g_.places() * g_.channels, g_.height * g_.width * g_.channels, g_.width * g_.channels, g_.channels, 1};
    const std::size_t wide[] = {wide_.places() * g_.channels, wide_.height * wide_.width * g_.channels, wide_.width * g_.channels, g_.channels, 1};
    const std::size_t first = ((g_.through.pad_low * wide_.height + g_.down.pad_low) * wide_.width + g_.across.pad_low) * g_.channels;
    for (int d = 0; d < channels_last::region::dimensions; ++d) r.from_step[d] = back ? wide[d] : narrow[d], r.into_step[d] = back ? narrow[d] : wide[d];
    (back ? r.from_first : r.into_first) = first;
    return r;
  }
  const T* widened(span<const T, cuda> x) {
    if (padded_.empty()) return x.data();
    channels_last::fill<T, cuda>(span<T, cuda>(padded_), T{}, c_->order());
    channels_last::copy_region<T, cuda>(inside(false), x, span<T, cuda>(padded_), c_->order());
    return padded_.data();
  }

  context* c_;
  convolution_geometry g_;
  channels_last::sizes wide_;
  buffer<T, cuda> padded_{};
  pictures x_of_{}, y_of_{};
  filters w_of_{};
  method how_{};
  cudnnConvolutionFwdAlgo_t forward_{};
  cudnnConvolutionBwdFilterAlgo_t of_weights_{};
  cudnnConvolutionBwdDataAlgo_t of_data_{};
};

}  // namespace tutti::cudnn
