#pragma once
#include <memory>

#include <tutti/nn/convolution_in_parts.hpp>
#include <tutti/nn/local_batch_norm.hpp>
#include <tutti/nn/local_dropout.hpp>
#include <tutti/nn/local_elementwise.hpp>
#include <tutti/nn/local_layer.hpp>
#include <tutti/nn/local_pool.hpp>

namespace tutti {

/// What a rank computes of an operation, by its kind. Throws `not_supported` for what
/// no pass computes.
template <class Backend>
std::unique_ptr<local_operation<Backend>> make_local(const local_request<Backend>& r) {
  switch (r.what.what) {
    case operation_kind::convolution:
      if constexpr (requires { typename Backend::convolution_part; })
        if (!r.parts.empty()) return std::make_unique<convolution_in_parts<Backend>>(r);
      return std::make_unique<local_convolution<Backend>>(r);
    case operation_kind::dense: return std::make_unique<local_dense<Backend>>(r);
    case operation_kind::pool: return std::make_unique<local_pool<Backend, typename Backend::max_pool>>(r);
    case operation_kind::average_pool: return std::make_unique<local_pool<Backend, typename Backend::average_pool>>(r);
    case operation_kind::batch_norm: return std::make_unique<local_batch_norm<Backend>>(r);
    case operation_kind::pointwise: return std::make_unique<local_relu<Backend>>(r);
    case operation_kind::dropout: return std::make_unique<local_dropout<Backend>>(r);
    case operation_kind::add: return std::make_unique<local_sum<Backend>>(r);
    case operation_kind::flatten: return std::make_unique<local_flatten<Backend>>(r);
    case operation_kind::loss: break;
  }
  throw error(errc::not_supported, format("layer '%s' is a loss, which is computed of what a pass makes", r.what.label.text().c_str()));
}

}  // namespace tutti
