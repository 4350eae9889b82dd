#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti {

enum class operation_kind : std::uint8_t {
  convolution,  ///< (batch, channels, height, width) → (batch, filters, height, width), or depth before these two
  dense,        ///< (batch, features) → (batch, units)
  pool,         ///< (batch, channels, …), all but these slid over; the greatest wins, which is not linear
  average_pool, ///< the same, and linear
  batch_norm,   ///< (batch, channels, …), each channel with the mean and variance of all its places; not linear
  pointwise,    ///< element by element, not linear: a sum must be added up first
  dropout,      ///< element by element, times 0 or a constant, by the element's number
  add,          ///< two tensors of one shape
  flatten,      ///< (batch, channels, …) → (batch, features)
  loss,         ///< (batch, classes), and labels from elsewhere; makes the first gradient
};

/// Whether it sums over a dimension with weights: the layout says how it is cut.
/// The others stay where their operand is, in as far as no rule names them.
constexpr bool contracts(operation_kind what) {
  return what == operation_kind::convolution || what == operation_kind::dense;
}

/// Whether windows slide over height and width, and depth where there is one.
constexpr bool slides(operation_kind what) {
  return what == operation_kind::convolution || what == operation_kind::pool || what == operation_kind::average_pool;
}

/// Whether what it makes of a sum is the sum of what it makes of the summands, and it
/// has no parameters.
constexpr bool is_linear(operation_kind what) {
  return what == operation_kind::average_pool || what == operation_kind::dropout || what == operation_kind::add ||
         what == operation_kind::flatten;
}

/// How a convolution is other than most. In `groups` of equal size, filters read
/// the channels of their group only; as many groups as channels: depth-wise.
struct filter_options {
  std::size_t groups = 1;
  bool bias = true;
};

/// One operation of a network, over named dimensions: an operand's dimension and
/// the result's of the same name are cut alike, whatever their sizes. Tensor 0 is
/// the network's input, tensor i + 1 what operation i makes.
struct tensor_operation {
  operation_kind what = operation_kind::pointwise;
  name label = {};
  std::vector<std::size_t> inputs = {};  ///< numbers of tensors
  shape x = {};                          ///< of each operand, in this operation's words
  shape y = {};
  std::vector<shape> parameters = {};    ///< weights, then bias if there is one; of a batch norm scale and shift
  std::vector<window> windows = {};      ///< of what slides: one for each dimension of x from the third on
  std::size_t groups = 1;                ///< of a convolution
  double rate = 0;                       ///< which part of all elements dropout makes 0

  constexpr bool has_bias() const { return contracts(what) && parameters.size() == 2; }

  /// The dimensions that may be cut, with their sizes in the result, or in the
  /// operand where they are summed. The channels of a convolution in groups are cut
  /// as its filters are.
  constexpr shape over() const {
    shape all;
    for (const dimension& d : y) all.append(d);
    if (groups > 1) return all;
    for (const dimension& d : x)
      if (!all.has(d.what)) all.append(d);
    if (what != operation_kind::flatten) return all;
    return {x[0], x[1]};
  }
};

/// A network's operations, one after the other. Each function adds one, whose
/// operand is what the last one made unless `from` names another tensor, and
/// returns the number of the tensor that it makes.
class operation_list {
 public:
  static constexpr std::size_t last = static_cast<std::size_t>(-1);

  constexpr explicit operation_list(const shape& input) { shapes_.push_back(input); }

  /// Why this constant cannot be; empty where it can.
  constexpr const sentence& refused() const { return refused_; }
  constexpr const std::vector<tensor_operation>& all() const { return all_; }
  constexpr const shape& shape_of(std::size_t tensor) const { return shapes_[tensor]; }

  /// Takes it back: the list cannot be, for this reason.
  constexpr void refuse(std::string_view pattern, std::initializer_list<sentence> words = {}) { tutti::refuse(refused_, pattern, words); }

  /// A tensor as the next operation sees it: what one calls filters or units is to the
  /// next channels or features.
  constexpr shape seen(std::size_t tensor) const {
    const shape& before = shapes_[tensor];
    if (before.rank() < 4) return {before[0], {"features", before[1].size}};
    shape all{before[0], {"channels", before[1].size}};
    for (std::size_t d = 2; d < before.rank(); ++d) all.append(before[d]);
    return all;
  }

  /// One window for each of depth, height and width that the pictures have: {} is none.
  template <std::same_as<std::vector<window>> Windows>
  constexpr std::size_t convolution(name label, std::size_t filters, const Windows& windows, std::size_t from = last, filter_options options = {}) {
    constexpr name each[] = {"through", "down", "across"};
    const shape in = pictures(label, from);
    const std::size_t groups = options.groups;
    check_windows(label, in, windows, from);
    if (filters == 0) refuse("layer '{}' has no filters", {label});
    else if (groups == 0 || in[1].size % groups != 0 || filters % groups != 0)
      refuse("layer '{}' has {} groups, which must divide its {} channels and its {} filters", {label, groups, in[1].size, filters});
    if (!refused_.empty()) return skip(from);
    shape weights{{"filters", filters}, {"channels", in[1].size / groups}};
    for (std::size_t k = 0; k < windows.size(); ++k) weights.append({each[3 - windows.size() + k], windows[k].size});
    tensor_operation o{.what = operation_kind::convolution,
                       .label = label,
                       .inputs = {number(from)},
                       .x = in,
                       .y = slid(in, {"filters", filters}, windows),
                       .parameters = {weights},
                       .windows = windows,
                       .groups = groups};
    if (options.bias) o.parameters.push_back({{"filters", filters}});
    return add(o);
  }
  constexpr std::size_t convolution(name label, std::size_t filters, const window& down, const window& across,
                                    std::size_t from = last, filter_options options = {}) {
    return convolution(label, filters, std::vector<window>{down, across}, from, options);
  }
  constexpr std::size_t dense(name label, std::size_t units, std::size_t from = last) {
    const shape& before = shapes_[number(from)];
    if (before.rank() != 2)
      refuse("layer '{}' needs (batch, features) and gets {}; flatten first", {label, before});
    else if (units == 0) refuse("layer '{}' has no units", {label});
    if (!refused_.empty()) return skip(from);
    const shape in{before[0], {"features", before[1].size}};
    return add({.what = operation_kind::dense,
                .label = label,
                .inputs = {number(from)},
                .x = in,
                .y = {in[0], {"units", units}},
                .parameters = {{{"units", units}, in[1]}, {{"units", units}}}});
  }
  /// The greatest of each window.
  template <std::same_as<std::vector<window>> Windows>
  constexpr std::size_t pool(name label, const Windows& windows, std::size_t from = last) {
    return slide(operation_kind::pool, label, windows, from);
  }
  constexpr std::size_t pool(name label, const window& down, const window& across, std::size_t from = last) {
    return pool(label, std::vector<window>{down, across}, from);
  }
  /// The sum of each window, divided by how many places a window has: padding counts
  /// as zeros. Over the whole picture with a window as large.
  template <std::same_as<std::vector<window>> Windows>
  constexpr std::size_t average_pool(name label, const Windows& windows, std::size_t from = last) {
    return slide(operation_kind::average_pool, label, windows, from);
  }
  constexpr std::size_t average_pool(name label, const window& down, const window& across, std::size_t from = last) {
    return average_pool(label, std::vector<window>{down, across}, from);
  }
  /// Each channel of pictures, or each feature, with mean 0 and variance 1 over all
  /// else, then scaled and shifted as learned.
  constexpr std::size_t batch_norm(name label, std::size_t from = last) {
    const shape in = seen(number(from));
    return add({.what = operation_kind::batch_norm, .label = label, .inputs = {number(from)}, .x = in, .y = in,
                .parameters = {{in[1]}, {in[1]}}});
  }
  /// `rate` of all elements become 0, the others are divided by 1 − rate. Throws
  /// `invalid_argument` where that is not in [0, 1).
  constexpr std::size_t dropout(name label, double rate, std::size_t from = last) {
    if (!(rate >= 0 && rate < 1))
      refuse("layer '{}' drops {} of its elements; a part is at least 0 and below 1", {label, rate});
    const shape in = seen(number(from));
    return add({.what = operation_kind::dropout, .label = label, .inputs = {number(from)}, .x = in, .y = in, .rate = rate});
  }
  constexpr std::size_t pointwise(name label, std::size_t from = last) {
    const shape in = seen(number(from));
    return add({.what = operation_kind::pointwise, .label = label, .inputs = {number(from)}, .x = in, .y = in});
  }
  constexpr std::size_t sum(name label, std::size_t one, std::size_t other) {
    const shape in = seen(number(one));
    if (!(seen(number(other)) == in))
      refuse("layer '{}' adds {} and {}, which {} and {} make: they must be alike", {label, in, seen(number(other)), maker_of(number(one)), maker_of(number(other))});
    if (!refused_.empty()) return skip(one);
    return add({.what = operation_kind::add, .label = label, .inputs = {one, other}, .x = in, .y = in});
  }
  constexpr std::size_t flatten(name label, std::size_t from = last) {
    const shape in = pictures(label, from);
    if (!refused_.empty()) return skip(from);
    std::size_t features = 1;
    for (std::size_t d = 1; d < in.rank(); ++d) features *= in[d].size;
    return add({.what = operation_kind::flatten, .label = label, .inputs = {number(from)}, .x = in, .y = {in[0], {"features", features}}});
  }
  constexpr std::size_t loss(name label, std::size_t from = last) {
    const shape& before = shapes_[number(from)];
    if (before.rank() != 2)
      refuse("layer '{}' needs (batch, classes) and gets {}", {label, before});
    const shape in{before[0], {"classes", before[1].size}};
    return add({.what = operation_kind::loss, .label = label, .inputs = {number(from)}, .x = in, .y = in});
  }

 private:
  constexpr std::size_t number(std::size_t from) const { return from == last ? shapes_.size() - 1 : from; }

  constexpr sentence maker_of(std::size_t tensor) const {
    return tensor == 0 ? sentence("the input") : sentence("'{}'", {all_[tensor - 1].label});
  }

  // A constant that is refused is made to the end, its tensors numbered as they would be.
  constexpr std::size_t skip(std::size_t from) {
    const shape same = shapes_[number(from)];
    return add({.inputs = {number(from)}, .x = same, .y = same});
  }
  constexpr shape pictures(const name& label, std::size_t from) {
    const shape in = seen(number(from));
    if (in.rank() < 4)
      refuse("layer '{}' needs pictures (batch, channels, [depth,] height, width) and gets {}", {label, in});
    return in;
  }
  constexpr void check_windows(const name& label, const shape& in, const std::vector<window>& windows, std::size_t from) {
    if (in.rank() != 2 + windows.size())
      return refuse("layer '{}' has {} windows for pictures {}", {label, windows.size(), in});
    for (std::size_t k = 0; k < windows.size(); ++k) {
      const window& w = windows[k];
      const dimension& along = in[2 + k];
      if (w.size == 0 || w.stride == 0 || w.dilation == 0)
        refuse("layer '{}' has a kernel, stride or dilation of 0 along its {}", {label, along.what});
      else if (w.outputs(along.size) == 0)
        refuse("layer '{}' reads {} places along a {} of {} with padding; up to here pictures need a {} of {} or more",
               {label, w.reach(), along.what, w.pad_low + along.size + w.pad_high, along.what, least_input(number(from), k, w.input_for(1))});
    }
  }
  // How many places along window k the network's input needs for this tensor to have so many.
  constexpr std::size_t least_input(std::size_t tensor, std::size_t k, std::size_t places) const {
    for (; tensor > 0; tensor = all_[tensor - 1].inputs[0])
      if (slides(all_[tensor - 1].what)) places = all_[tensor - 1].windows[k].input_for(places);
    return places;
  }
  static constexpr shape slid(const shape& in, const dimension& channels, const std::vector<window>& windows) {
    shape y{in[0], channels};
    for (std::size_t k = 0; k < windows.size(); ++k) y.append({in[2 + k].what, windows[k].outputs(in[2 + k].size)});
    return y;
  }
  constexpr std::size_t slide(operation_kind what, const name& label, const std::vector<window>& windows, std::size_t from) {
    const shape in = pictures(label, from);
    check_windows(label, in, windows, from);
    for (std::size_t k = 0; k < windows.size(); ++k)
      if (windows[k].pad_low >= windows[k].reach() || windows[k].pad_high >= windows[k].reach())
        refuse("layer '{}' pads the {} by as much as its window is long, which would pool over padding only", {label, in[2 + k].what});
      else if (refused_.empty() && windows[k].misses(in[2 + k].size))
        refuse("layer '{}' has a dilation of {} along a {} of {}, which would pool over padding only", {label, windows[k].dilation, in[2 + k].what, in[2 + k].size});
    if (!refused_.empty()) return skip(from);
    return add({.what = what, .label = label, .inputs = {number(from)}, .x = in, .y = slid(in, in[1], windows), .windows = windows});
  }
  constexpr std::size_t add(const tensor_operation& o) {
    all_.push_back(o);
    shapes_.push_back(o.y);
    return shapes_.size() - 1;
  }

  std::vector<tensor_operation> all_;
  std::vector<shape> shapes_;
  sentence refused_{};
};

}  // namespace tutti
