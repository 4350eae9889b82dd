#include <tutti/mesh/halo.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <vector>

#include <tutti/kernel/naive_convolution.hpp>
#include <tutti/kernel/random.hpp>

#include "../kernel/data.hpp"
#include "windows.hpp"

using namespace tutti;

namespace {

using values = std::vector<modular>;

constexpr window three{.size = 3, .pad_low = 1, .pad_high = 1};
static_assert(read_by(three, {.first = 0, .count = 2}, 5) == share{.first = 0, .count = 3});
static_assert(read_by(three, {.first = 2, .count = 3}, 5) == share{.first = 1, .count = 4});
static_assert(local_window(three, {.first = 0, .count = 2}, 5).pad_low == 1 && local_window(three, {.first = 0, .count = 2}, 5).pad_high == 0);

/// One row of a picture, of one channel and one filter: halos know no others.
class row {
 public:
  static constexpr std::size_t inputs = 17, outputs = 29, taps = 7;

  /// What some outputs are, and what they add to the gradients.
  struct part {
    std::array<modular, outputs> y{};
    std::array<modular, inputs> dx{};
    std::array<modular, taps> dw{};

    void add(const part& more) {
      for (std::size_t i = 0; i < inputs; ++i) dx[i] = dx[i] + more.dx[i];
      for (std::size_t i = 0; i < taps; ++i) dw[i] = dw[i] + more.dw[i];
    }
    bool adds_as(const part& other) const { return dx == other.dx && dw == other.dw; }
  };

  row(const window& w, std::size_t height) : window_(w), height_(height), made_(w.outputs(height)) {
    whole_ = compute(w, {.first = 0, .count = height}, {.first = 0, .count = made_});
  }

  std::size_t made() const { return made_; }
  const part& whole() const { return whole_; }

  /// By a rank that makes these and has just what they read; false where its window
  /// makes others.
  bool by_a_rank(share made, part& found) const {
    found = {};
    const share read = read_by(window_, made, height_);
    if (made.count == 0) return read.count == 0;
    const window local = local_window(window_, made, height_);
    if (read.end() > height_ || local.outputs(read.count) != made.count) return false;
    found = compute(local, read, made);
    return std::equal(&found.y[made.first], &found.y[made.first] + made.count, &whole_.y[made.first]);
  }

 private:
  part compute(const window& w, share read, share made) const {
    static const values all = some<modular>(inputs + outputs + taps, 1);
    const modular *x = &all[read.first], *weights = &all[inputs], *dy = &all[inputs + taps + made.first];
    const convolution_geometry g{.batch = 1, .channels = 1, .height = read.count, .width = 1, .filters = 1, .down = w};
    const span<const modular> in(x, g.inputs()), by(weights, g.weights()), back(dy, g.outputs());
    part p;
    naive::convolution<modular>(g, in, by, {}, {&p.y[made.first], g.outputs()});
    naive::convolution_backward_data<modular>(g, back, by, {p.dx.data() + read.first, g.inputs()});
    naive::convolution_backward_weights<modular>(g, in, back, {p.dw.data(), g.weights()});
    return p;
  }

  window window_;
  std::size_t height_, made_;
  part whole_;
};

}  // namespace

// Whatever ranks there are and however outputs are divided among them, each makes some
// interval of them, perhaps an empty one. If every interval's y is the whole's, and what it
// adds to dx and dw is what its outputs add one by one, and all outputs add up to the
// whole's, then so do the ranks of every division.
TEST_CASE("whatever the window, every interval of outputs has the whole's y, and adds to dx and dw what its outputs add one by one") {
  std::size_t windows = 0, intervals = 0, wrong = 0;
  for_each_window([&](const window& down, std::size_t height) {
    const row r(down, height);
    REQUIRE(r.made() <= row::outputs);
    row::part up_to[row::outputs + 1], found;
    for (std::size_t o = 0; o < r.made(); ++o) {
      wrong += !r.by_a_rank({.first = o, .count = 1}, found);
      up_to[o + 1] = up_to[o];
      up_to[o + 1].add(found);
    }
    wrong += !up_to[r.made()].adds_as(r.whole());
    for (std::size_t begin = 0; begin <= r.made(); ++begin)
      for (std::size_t end = begin; end <= r.made(); ++end, ++intervals) {
        wrong += !r.by_a_rank({.first = begin, .count = end - begin}, found);
        found.add(up_to[begin]);
        wrong += !found.adds_as(up_to[end]);
      }
    ++windows;
  });
  CHECK(wrong == 0);
  MESSAGE("windows on heights: " << windows << ", intervals of outputs: " << intervals);
}

TEST_CASE("what is read below and above one's own is what the design says") {
  const random_stream random{.seed = 32};
  std::uint64_t next = 0;
  for (int round = 0; round < 2000; ++round) {
    const window w = any_window(7, random, next);
    const std::size_t height = 1 + random.below(next++, 17);
    const int ranks = 1 + static_cast<int>(random.below(next++, 4));
    const std::vector<share> owned = cut_anywhere(height, ranks, random, next),
                             made = cut_anywhere(w.outputs(height), ranks, random, next);
    for (std::size_t r = 0; r < owned.size(); ++r) {
      if (made[r].count == 0) continue;
      const auto signed_of = [](std::size_t n) { return static_cast<std::ptrdiff_t>(n); };
      const std::ptrdiff_t low = signed_of(owned[r].first) - signed_of(made[r].first * w.stride) + signed_of(w.pad_low);
      const std::ptrdiff_t high = signed_of((made[r].end() - 1) * w.stride) - signed_of(w.pad_low) + signed_of((w.size - 1) * w.dilation) +
                                  1 - signed_of(owned[r].end());
      auto clamp = [&](std::ptrdiff_t n) { return n < 0 ? 0 : n > signed_of(height) ? signed_of(height) : n; };
      const share read = read_by(w, made[r], height);
      CHECK(signed_of(read.first) == clamp(signed_of(owned[r].first) - low));
      CHECK(signed_of(read.end()) == clamp(signed_of(owned[r].end()) + high));
    }
  }
}
