#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/mesh/search.hpp>

namespace tutti {

namespace detail {

constexpr placement cut_along(placement cut, std::size_t dimension, const std::vector<int>& axes) {
  for (int axis : axes) cut = cut.sharded(dimension, axis);
  return cut;
}

/// Whether one window sees all of a picture.
constexpr bool pools_all(const tensor_operation& o) {
  if (o.what != operation_kind::average_pool) return false;
  std::size_t seen = 1, made = 1;
  for (std::size_t d = 2; d < o.x.rank(); ++d) seen *= o.x[d].size, made *= o.y[d].size;
  return made == 1 && seen > 1;
}

}  // namespace detail

/// The rules of a layout that has a name; text that is rules stays as it is.
///
/// - `data`: the batch along all axes.
/// - `tensor`: filters and units; convolutions whose groups do not come out even, the batch.
/// - `spatial`: height, and width along a second axis, or depth, height and width in this
///   order where there is depth; units of dense layers; the channels of what pools whole pictures.
/// - `hybrid`: convolutions by the batch along all axes, dense layers by units
///   (Krizhevsky, One weird trick for parallelizing convolutional neural networks, 2014).
/// - `auto`: what `search_layout` finds.
///
/// In a mesh of several axes the one called `data` cuts the batch in all of them, and the
/// others are the layout's own; a mesh's only axis is the layout's own, whatever its name.
/// Throws `invalid_argument` for other names, and where a network or a mesh does not go
/// with the layout.
constexpr layout layout_called(std::string_view text, const operation_list& list, const mesh& on, const step_costs& costs = {}) {
  if (text.empty() || text.find(':') != std::string_view::npos) return text;
  const std::vector<tensor_operation>& net = list.all();
  if (text == "auto") return search_layout(net, on, costs).rules;
  const bool tensor = text == "tensor", spatial = text == "spatial", hybrid = text == "hybrid";
  if (!tensor && !spatial && !hybrid && text != "data")
    throw error(errc::invalid_argument,
                format("no layout is called '%.*s'; there are data, tensor, spatial, hybrid and auto, and rules such as "
                       "batch:data,conv*/filters:model",
                       static_cast<int>(text.size()), text.data()));
  std::vector<int> all, samples, own;
  for (int axis = 0; axis < on.axes(); ++axis) {
    all.push_back(axis);
    (on.axes() > 1 && on[axis].what == name("data") ? samples : own).push_back(axis);
  }
  std::vector<ruled_cut> cuts(net.size());
  bool pictures = false;
  for (std::size_t i = 0; i < net.size(); ++i) {
    const tensor_operation& o = net[i];
    const bool convolution = o.what == operation_kind::convolution;
    placement& cut = cuts[i].cut;
    pictures |= convolution;
    if (contracts(o.what)) {
      const placement by_batch = detail::cut_along({}, 0, samples);
      cut = detail::cut_along(by_batch, 1, own);
      if (spatial && convolution) {
        if (own.size() > o.windows.size())
          throw error(errc::invalid_argument, format("the layout 'spatial' cuts %sheight and width, and the mesh %s has %zu axes for them: %zu can be, and one called 'data' for the batch",
                                                     o.windows.size() > 2 ? "depth, " : "", on.text().c_str(), own.size(), o.windows.size()));
        cut = by_batch;
        for (std::size_t k = 0; k < own.size(); ++k) cut = cut.sharded(2 + k, own[k]);
      } else if (text == "data" || (hybrid && convolution) || !detail::whole_pieces(o, cut, on)) {
        cut = detail::cut_along({}, 0, all);
      }
    } else if (spatial && detail::pools_all(o)) {
      cut = detail::cut_along({}, 1, own);
    }
    for (std::size_t d = 0; d < o.over().rank(); ++d)
      if (!cut.axes_of(d).empty()) cuts[i].ruled |= 1u << d;
  }
  if (spatial && !pictures)
    throw error(errc::invalid_argument, "the layout 'spatial' cuts height and width, and the network has no convolutions: 'data' and 'tensor' cut it");
  return layout_of(net, cuts, on);
}

}  // namespace tutti
