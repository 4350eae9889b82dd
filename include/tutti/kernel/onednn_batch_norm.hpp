#pragma once
#include <tutti/kernel/batch_norm.hpp>
#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_context.hpp>

namespace tutti::onednn {

/// How the channels of a format lie, which is (batch, channels, …) with channels in one
/// block or in none. Throws `not_supported` for others.
inline channel_layout channels_of(const norm_geometry& g, const memory_format& f) {
  channel_layout l{.batch = g.batch, .channels = g.channels, .places = g.places};
  const auto sizes = f.sizes();
  const auto plain = [&](dnnl::memory::format_tag tag) {
    return f.description() == dnnl::memory::desc(sizes, dnnl::memory::data_type::f32, tag);
  };
  using tag = dnnl::memory::format_tag;
  const bool pictures = sizes.size() == 4;
  if (plain(pictures ? tag::nchw : tag::nc)) return l;
  for (auto [block, each] : {std::pair{g.channels, tag::nhwc}, std::pair{std::size_t{8}, tag::nChw8c}, std::pair{std::size_t{16}, tag::nChw16c}}) {
    l.block = block;
    if (pictures && plain(each)) return l;
  }
  throw error(errc::not_supported, "a batch norm of a format other than row-major, channels last, or channels in blocks of 8 or 16");
}

/// Batch normalisation of whatever format comes, y in the same. oneDNN's own has no
/// place between its sums and what it does with them, where ranks could add theirs up;
/// these loops read and write memory as often as they must, which is what either costs.
struct batch_norm : batch_normalisation<float> {
  batch_norm(context&, const norm_geometry& g, const memory_format& x, bool relu, double epsilon)
      : batch_normalisation<float>(channels_of(g, x), relu, epsilon) {}
};

}  // namespace tutti::onednn
