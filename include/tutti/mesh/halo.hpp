#pragma once
#include <cstddef>

#include <tutti/base/share.hpp>
#include <tutti/kernel/geometry.hpp>

namespace tutti {

// A sliding window over a dimension that ranks have cut. Whoever makes outputs
// [o, o') reads inputs [o·s − pad_low, (o' − 1)·s − pad_low + (k − 1)·d + 1) as far
// as they exist. What of these it does not own is its halo, and comes from
// whoever owns it: cuts of input and output need not match, a halo may reach past
// the next neighbour, and a rank may own nothing.

/// The inputs that outputs read, of `inputs` in all; none for no outputs.
constexpr share read_by(const window& w, share outputs, std::size_t inputs) {
  if (outputs.count == 0) return {};
  const std::size_t padded = outputs.first * w.stride, end = (outputs.end() - 1) * w.stride + w.reach();
  auto place = [&](std::size_t i) { return i < w.pad_low ? 0 : i - w.pad_low < inputs ? i - w.pad_low : inputs; };
  return {.first = place(padded), .count = place(end) - place(padded)};
}

/// The window that makes just these outputs of just what they read: padding is
/// left where the whole's edge is within reach.
constexpr window local_window(const window& w, share outputs, std::size_t inputs) {
  if (outputs.count == 0) return w;
  const std::size_t span = (outputs.count - 1) * w.stride + w.reach(), begin = outputs.first * w.stride;
  window local = w;
  local.pad_low = begin < w.pad_low ? (w.pad_low - begin < span ? w.pad_low - begin : span) : 0;
  local.pad_high = span - local.pad_low - read_by(w, outputs, inputs).count;
  return local;
}
/// The same where `at_hand` is there: what is read, or the whole, of which windows may
/// leave out the end.
constexpr window local_window(const window& w, share outputs, share at_hand, std::size_t inputs) {
  return at_hand.count == inputs && outputs.count == w.outputs(inputs) ? w : local_window(w, outputs, inputs);
}

}  // namespace tutti
