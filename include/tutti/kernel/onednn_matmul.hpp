#pragma once
#include <cstddef>

#include <tutti/kernel/onednn_context.hpp>

namespace tutti::onednn {

/// c += a · b for row-major matrices of floats, as `blocked_matmul`, with the threads
/// of the context that this thread made.
struct matmul {
  void operator()(std::size_t rows, std::size_t columns, std::size_t depth, const float* a, const float* b, float* c) const {
    if (rows == 0 || columns == 0 || depth == 0) return;
    using size = dnnl_dim_t;
    const auto done = dnnl::sgemm('N', 'N', static_cast<size>(rows), static_cast<size>(columns), static_cast<size>(depth), 1, a,
                                  static_cast<size>(depth), b, static_cast<size>(columns), 1, c, static_cast<size>(columns));
    if (done != dnnl::status::success) throw error(errc::not_supported, "oneDNN has no product of these matrices");
  }
};

}  // namespace tutti::onednn
