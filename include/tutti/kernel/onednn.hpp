#pragma once
#include <tutti/kernel/host_backend.hpp>
#include <tutti/kernel/onednn_batch_norm.hpp>
#include <tutti/kernel/onednn_convolution.hpp>
#include <tutti/kernel/onednn_dense.hpp>
#include <tutti/kernel/onednn_pool.hpp>
#include <tutti/kernel/onednn_relu.hpp>

namespace tutti {

/// The arithmetic of a network by oneDNN, in float on the processor.
struct onednn_backend : host_backend<float> {
  using element = float;
  using context = onednn::context;
  using format = onednn::memory_format;
  using tensor = onednn::tensor;
  using parameter = tensor;
  using layer_request = onednn::layer_request;
  using convolution = onednn::convolution;
  using convolution_part = onednn::convolution_part;
  using dense = onednn::dense;
  using max_pool = onednn::max_pool;
  using average_pool = onednn::average_pool;
  using batch_norm = onednn::batch_norm;
  using relu = onednn::relu;

  static void copy(context& c, const tensor& from, tensor& into) { onednn::copy(c, from, into); }
  static void add(context& c, const tensor& a, const tensor& b, tensor& y, bool relu = false) { onednn::add(c, a, b, y, relu); }
};

}  // namespace tutti
