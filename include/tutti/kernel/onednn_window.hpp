#pragma once
#include <cstddef>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/onednn_context.hpp>

namespace tutti::onednn {

/// Along height and width, and depth where the operand has one, in this order from the
/// outside: what a window slides over, what it makes, and the window, whose dilation
/// oneDNN counts from 0.
struct sliding {
  dnnl::memory::dims inputs{}, outputs{}, size{}, stride{}, low{}, high{}, dilation{};

  template <class Geometry>
  sliding(const Geometry& g, const memory_format& x) {
    if (x.sizes().size() > 4) add(g.depth, g.through);
    add(g.height, g.down);
    add(g.width, g.across);
  }

 private:
  void add(std::size_t places, const window& w) {
    const auto put = [](dnnl::memory::dims& all, std::size_t value) { all.push_back(static_cast<dnnl::memory::dim>(value)); };
    put(inputs, places), put(outputs, w.outputs(places));
    put(size, w.size), put(stride, w.stride), put(low, w.pad_low), put(high, w.pad_high), put(dilation, w.dilation - 1);
  }
};

/// (outer, inner): as in batch and channels, then places.
inline dnnl::memory::dims joined(dnnl::memory::dims outer, const dnnl::memory::dims& inner) {
  outer.insert(outer.end(), inner.begin(), inner.end());
  return outer;
}

}  // namespace tutti::onednn
