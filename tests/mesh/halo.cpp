#include <tutti/mesh/halo.hpp>

#include <doctest/doctest.h>

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

/// `whole` places among `ranks`, cut anywhere.
std::vector<share> cut_anywhere(std::size_t whole, int ranks, const random_stream& random, std::uint64_t& next) {
  std::vector<std::size_t> bounds{0, whole};
  for (int r = 1; r < ranks; ++r) {
    const std::size_t bound = random.below(next++, whole + 1);
    std::size_t at = bounds.size();
    while (bounds[at - 1] > bound) --at;
    bounds.insert(bounds.begin() + static_cast<std::ptrdiff_t>(at), bound);
  }
  std::vector<share> all;
  for (int r = 0; r < ranks; ++r) {
    const auto i = static_cast<std::size_t>(r);
    all.push_back({.first = bounds[i], .count = bounds[i + 1] - bounds[i]});
  }
  return all;
}

std::size_t overlap(share a, share b) {
  const std::size_t first = a.first > b.first ? a.first : b.first, end = a.end() < b.end() ? a.end() : b.end();
  return first < end ? end - first : 0;
}

struct problem {
  convolution_geometry whole;
  values x, w, bias, dy;
  values y, dx, dw;

  problem(const window& down, std::size_t height) : whole{.batch = 1, .channels = 2, .height = height, .width = 1, .filters = 1, .down = down} {
    x = some<modular>(whole.inputs(), 1), w = some<modular>(whole.weights(), 2), dy = some<modular>(whole.outputs(), 3);
    bias = some<modular>(whole.filters, 4);
    y.resize(whole.outputs()), dx.resize(whole.inputs()), dw.resize(whole.weights());
    naive::convolution<modular>(whole, x, w, bias, y);
    naive::convolution_backward_data<modular>(whole, dy, w, dx);
    naive::convolution_backward_weights<modular>(whole, x, dy, dw);
  }

  /// The same by ranks that own `inputs` and make `outputs`.
  bool by_ranks(const std::vector<share>& inputs, const std::vector<share>& outputs) const {
    values found_y(y.size()), found_dx(dx.size()), found_dw(dw.size());
    const std::size_t height = whole.height;
    for (const share& made : outputs) {
      const share read = read_by(whole.down, made, height);
      std::size_t arrived = 0;  // what is not owned comes from somebody
      for (const share& owned : inputs) arrived += overlap(read, owned);
      if (arrived != read.count) return false;
      convolution_geometry mine = whole;
      mine.height = read.count;
      mine.down = local_window(whole.down, made, height);
      if (made.count == 0) continue;
      if (mine.out_height() != made.count) return false;
      values my_x(mine.inputs()), my_dy(mine.outputs()), my_y(mine.outputs()), my_dx(mine.inputs()), my_dw(mine.weights());
      for (std::size_t c = 0; c < whole.channels; ++c)
        for (std::size_t i = 0; i < read.count; ++i) my_x[c * read.count + i] = x[c * height + read.first + i];
      for (std::size_t i = 0; i < made.count; ++i) my_dy[i] = dy[made.first + i];
      naive::convolution<modular>(mine, my_x, w, bias, my_y);
      naive::convolution_backward_data<modular>(mine, my_dy, w, my_dx);
      naive::convolution_backward_weights<modular>(mine, my_x, my_dy, my_dw);
      for (std::size_t i = 0; i < made.count; ++i) found_y[made.first + i] = my_y[i];
      for (std::size_t c = 0; c < whole.channels; ++c)
        for (std::size_t i = 0; i < read.count; ++i) {
          modular& sum = found_dx[c * height + read.first + i];  // the halo's part goes back and is added
          sum = sum + my_dx[c * read.count + i];
        }
      for (std::size_t i = 0; i < dw.size(); ++i) found_dw[i] = found_dw[i] + my_dw[i];
    }
    return found_y == y && found_dx == dx && found_dw == dw;
  }
};

}  // namespace

TEST_CASE("whatever the window and the cuts, ranks that read their halo get what one rank gets: y, dx and dw") {
  std::size_t cases = 0, wrong = 0;
  const random_stream random{.seed = 31};
  std::uint64_t next = 0;
  for_each_window([&](const window& down, std::size_t height) {
    const problem p(down, height);
    for (int ranks = 1; ranks <= 4; ++ranks) {
      std::vector<share> even_in, even_out;
      for (int r = 0; r < ranks; ++r) {
        even_in.push_back(share_of(height, r, ranks));
        even_out.push_back(share_of(down.outputs(height), r, ranks));
      }
      wrong += !p.by_ranks(even_in, even_out);
      wrong += !p.by_ranks(cut_anywhere(height, ranks, random, next), cut_anywhere(down.outputs(height), ranks, random, next));
      cases += 2;
    }
  });
  CHECK(wrong == 0);
  MESSAGE("windows and cuts: " << cases);
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
