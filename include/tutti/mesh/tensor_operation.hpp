#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/kernel/shape.hpp>

namespace tutti {

enum class operation_kind : std::uint8_t {
  convolution,  ///< (batch, channels, height, width) → (batch, filters, height, width)
  dense,        ///< (batch, features) → (batch, units)
  pool,         ///< (batch, channels, height, width), the last two slid over; the greatest wins, which is not linear
  average_pool, ///< the same, and linear
  batch_norm,   ///< (batch, channels, …), each channel with the mean and variance of all its places; not linear
  pointwise,    ///< element by element, not linear: a sum must be added up first
  dropout,      ///< element by element, times 0 or a constant, by the element's number
  add,          ///< two tensors of one shape
  flatten,      ///< (batch, channels, height, width) → (batch, features)
  loss,         ///< (batch, classes), and labels from elsewhere; makes the first gradient
};

/// Whether it sums over a dimension with weights: the layout says how it is cut.
/// The others stay where their operand is, in as far as no rule names them.
constexpr bool contracts(operation_kind what) {
  return what == operation_kind::convolution || what == operation_kind::dense;
}

/// Whether windows slide over height and width.
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
  window down = {}, across = {};         ///< of what slides over height and width
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

  /// Throws `invalid_argument` where groups do not divide channels and filters.
  constexpr std::size_t convolution(name label, std::size_t filters, const window& down, const window& across,
                                    std::size_t from = last, filter_options options = {}) {
    const shape in = pictures(label, from);
    const std::size_t groups = options.groups;
    if (groups == 0 || in[1].size % groups != 0 || filters % groups != 0)
      refuse("layer '{}' has {} groups, which must divide its {} channels and its {} filters", {label, groups, in[1].size, filters});
    tensor_operation o{.what = operation_kind::convolution,
                       .label = label,
                       .inputs = {number(from)},
                       .x = in,
                       .y = {in[0], {"filters", filters}, {"height", down.outputs(in[2].size)}, {"width", across.outputs(in[3].size)}},
                       .parameters = {{{"filters", filters}, {"channels", in[1].size / groups}, {"down", down.size}, {"across", across.size}}},
                       .down = down,
                       .across = across,
                       .groups = groups};
    if (options.bias) o.parameters.push_back({{"filters", filters}});
    return add(o);
  }
  constexpr std::size_t dense(name label, std::size_t units, std::size_t from = last) {
    const shape& before = shapes_[number(from)];
    if (before.rank() != 2)
      refuse("layer '{}' needs (batch, features) and gets {}; flatten first", {label, before});
    const shape in{before[0], {"features", before[1].size}};
    return add({.what = operation_kind::dense,
                .label = label,
                .inputs = {number(from)},
                .x = in,
                .y = {in[0], {"units", units}},
                .parameters = {{{"units", units}, in[1]}, {{"units", units}}}});
  }
  /// The greatest of each window.
  constexpr std::size_t pool(name label, const window& down, const window& across, std::size_t from = last) {
    return slide(operation_kind::pool, label, down, across, from);
  }
  /// The sum of each window, divided by how many places a window has: padding counts
  /// as zeros. Over the whole picture with a window as large.
  constexpr std::size_t average_pool(name label, const window& down, const window& across, std::size_t from = last) {
    return slide(operation_kind::average_pool, label, down, across, from);
  }
  /// Each channel of pictures, or each feature, with mean 0 and variance 1 over all
  /// else, then scaled and shifted as learned.
  constexpr std::size_t batch_norm(name label, std::size_t from = last) {
    const shape in = general(from);
    return add({.what = operation_kind::batch_norm, .label = label, .inputs = {number(from)}, .x = in, .y = in,
                .parameters = {{in[1]}, {in[1]}}});
  }
  /// `rate` of all elements become 0, the others are divided by 1 − rate. Throws
  /// `invalid_argument` where that is not in [0, 1).
  constexpr std::size_t dropout(name label, double rate, std::size_t from = last) {
    if (!(rate >= 0 && rate < 1))
      refuse("layer '{}' drops {} of its elements; a part is at least 0 and below 1", {label, rate});
    const shape in = general(from);
    return add({.what = operation_kind::dropout, .label = label, .inputs = {number(from)}, .x = in, .y = in, .rate = rate});
  }
  constexpr std::size_t pointwise(name label, std::size_t from = last) {
    const shape in = general(from);
    return add({.what = operation_kind::pointwise, .label = label, .inputs = {number(from)}, .x = in, .y = in});
  }
  constexpr std::size_t sum(name label, std::size_t one, std::size_t other) {
    const shape in = general(one);
    if (!(general(other) == in))
      refuse("layer '{}' adds {} and {}", {label, in, general(other)});
    return add({.what = operation_kind::add, .label = label, .inputs = {one, other}, .x = in, .y = in});
  }
  constexpr std::size_t flatten(name label, std::size_t from = last) {
    const shape in = pictures(label, from);
    return add({.what = operation_kind::flatten,
                .label = label,
                .inputs = {number(from)},
                .x = in,
                .y = {in[0], {"features", in[1].size * in[2].size * in[3].size}}});
  }
  constexpr std::size_t loss(name label, std::size_t from = last) {
    const shape& before = shapes_[number(from)];
    if (before.rank() != 2)
      refuse("layer '{}' needs (batch, classes) and gets {}", {label, before});
    const shape in{before[0], {"classes", before[1].size}};
    return add({.what = operation_kind::loss, .label = label, .inputs = {number(from)}, .x = in, .y = in});
  }

 private:
  constexpr void refuse(std::string_view pattern, std::initializer_list<sentence> words = {}) { tutti::refuse(refused_, pattern, words); }

  constexpr std::size_t number(std::size_t from) const { return from == last ? shapes_.size() - 1 : from; }

  // What one operation calls filters or units is to the next channels or features.
  constexpr shape general(std::size_t from) const {
    const shape& before = shapes_[number(from)];
    if (before.rank() == 4) return {before[0], {"channels", before[1].size}, before[2], before[3]};
    return {before[0], {"features", before[1].size}};
  }
  constexpr shape pictures(const name& label, std::size_t from) {
    const shape in = general(from);
    if (in.rank() != 4)
      refuse("layer '{}' needs pictures (batch, channels, height, width) and gets {}", {label, in});
    return in;
  }
  constexpr std::size_t slide(operation_kind what, const name& label, const window& down, const window& across, std::size_t from) {
    const shape in = pictures(label, from);
    return add({.what = what,
                .label = label,
                .inputs = {number(from)},
                .x = in,
                .y = {in[0], in[1], {"height", down.outputs(in[2].size)}, {"width", across.outputs(in[3].size)}},
                .down = down,
                .across = across});
  }
  constexpr std::size_t add(const tensor_operation& o) {
    for (const dimension& d : o.y)
      if (d.size == 0 && !(d.what == name("batch")))
        refuse("layer '{}' makes {} of {}", {o.label, o.y, o.x});
    all_.push_back(o);
    shapes_.push_back(o.y);
    return shapes_.size() - 1;
  }

  std::vector<tensor_operation> all_;
  std::vector<shape> shapes_;
  sentence refused_{};
};

}  // namespace tutti
