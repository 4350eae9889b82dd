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
  const bool pictures = sizes.size() == 4, deep = sizes.size() == 5;
  if (plain(deep ? tag::ncdhw : pictures ? tag::nchw : tag::nc)) return l;
  struct blocks {
    std::size_t block;
    tag flat, deep;
  };
  for (const blocks& each : {blocks{g.channels, tag::nhwc, tag::ndhwc}, {8, tag::nChw8c, tag::nCdhw8c}, {16, tag::nChw16c, tag::nCdhw16c}}) {
    l.block = each.block;
    if ((pictures && plain(each.flat)) || (deep && plain(each.deep))) return l;
  }
  throw error(errc::not_supported, "a batch norm of a format other than row-major, channels last, or channels in blocks of 8 or 16");
}

/// Batch normalisation of whatever format comes, y in the same. oneDNN's own has no
/// place between its sums and what it does with them, where ranks could add theirs up,
/// and on one core, in channels in blocks, takes as long as these loops.
struct batch_norm : batch_normalisation<float> {
  batch_norm(context&, const norm_geometry& g, const memory_format& x, bool relu, double epsilon)
      : batch_normalisation<float>(channels_of(g, x), relu, epsilon) {}
};

}  // namespace tutti::onednn
