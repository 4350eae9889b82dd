#pragma once
// What the functions on pictures with their channels last must do, against the naive
// ones on row-major pictures, in the memory of any machine (see
// tests/device/elementwise_cases.hpp): equal in the prime field. Outputs lie between
// poison.
#include <limits>

#include <doctest/doctest.h>

#include <tutti/kernel/channels_last_batch_norm.hpp>
#include <tutti/kernel/channels_last_loss.hpp>
#include <tutti/kernel/channels_last_pool.hpp>
#include <tutti/kernel/mixed_precision.hpp>
#include <tutti/kernel/naive.hpp>
#include <tutti/kernel/picture_format.hpp>

#include "../device/elementwise_cases.hpp"
#include "data.hpp"

namespace channels_last_cases {

using namespace tutti;
namespace cl = tutti::channels_last;
using elementwise_cases::poisoned;
using elementwise_cases::same;

template <class T>
std::vector<T> last(const cl::sizes& s, const std::vector<T>& rows) {
  std::vector<T> out(s.stored());
  for (std::size_t n = 0; n < s.batch; ++n)
    for (std::size_t c = 0; c < s.channels; ++c)
      for (std::size_t p = 0; p < s.places(); ++p) out[(n * s.places() + p) * s.channels + c] = rows[(n * s.channels + c) * s.places() + p];
  return out;
}

/// So many elements of poison stand before vectors: 0, and they begin at a multiple of 16
/// bytes, where threads take several neighbours at once.
inline std::size_t poison_before = 1;

/// A vector there, beside poison.
template <class T, class Machine>
struct there {
  using held = typename Machine::template memory<T>;
  Machine* machine;
  std::size_t before = poison_before;
  held memory;
  there(Machine& m, const std::vector<T>& v) : machine(&m), memory(m.put(poisoned(v, before), before)) {}
  static there blank(Machine& m, std::size_t n) {
    std::vector<T> v(n);
    if (n > 0) std::memset(static_cast<void*>(v.data()), 0x37, n * sizeof(T));
    return there(m, v);
  }
  span<T, typename Machine::space> all() { return memory.inside(); }
  span<const T, typename Machine::space> seen() { return memory.inside(); }
  bool is(const std::vector<T>& want) { return same(machine->get(memory), poisoned(want, before)); }
  std::vector<T> got() {
    const std::vector<T> v = machine->get(memory);
    return {v.begin() + static_cast<std::ptrdiff_t>(before), v.end() - static_cast<std::ptrdiff_t>(8 - before)};
  }
};

template <class Machine>
void check_pools(Machine& machine) {
  using T = modular;
  using space = typename Machine::space;
  for (const pool_geometry& g : odd_pools) {
    const cl::sizes in = cl::pictures_of(g), out = cl::results_of(g);
    CAPTURE(g.channels);
    const std::vector<T> x = some<T>(g.inputs(), 1), dy = some<T>(g.outputs(), 2);
    std::vector<T> y(g.outputs()), dx(g.inputs());
    std::vector<std::size_t> argmax(g.outputs());
    there<T, Machine> far(machine, last(in, x)), given(machine, last(out, dy));
    for (bool greatest : {true, false}) {
      auto made = there<T, Machine>::blank(machine, g.outputs()), back = there<T, Machine>::blank(machine, g.inputs());
      auto winner = there<std::uint32_t, Machine>::blank(machine, g.outputs());
      if (greatest) {
        naive::max_pool<T>(g, x, y, argmax);
        naive::max_pool_backward<T>(g, dy, argmax, dx);
        cl::max_pool<T, space>(g, far.seen(), made.all(), winner.all(), machine.order());
        cl::max_pool_backward<T, space>(g, given.seen(), winner.seen(), back.all(), machine.order());
      } else {
        naive::average_pool<T>(g, x, y);
        naive::average_pool_backward<T>(g, dy, dx);
        cl::average_pool<T, space>(g, far.seen(), made.all(), machine.order());
        cl::average_pool_backward<T, space>(g, given.seen(), back.all(), machine.order());
      }
      CHECK(made.is(last(out, y)));
      CHECK(back.is(last(in, dx)));
      CHECK(far.is(last(in, x)));
    }
  }
}

/// Sums of 16-bit numbers and what is made of them: the same bits, wherever the data begins.
template <class Machine>
void check_batch_norm_anywhere(Machine& machine) {
  using T = bfloat16;
  using space = typename Machine::space;
  const cl::sizes s{3, 16, 41, 33};
  const std::vector<float> numbers = some<float>(s.stored(), 30), gradients = some<float>(s.stored(), 31), factors = some<float>(s.channels, 32);
  const std::vector<T> x(numbers.begin(), numbers.end()), dy(gradients.begin(), gradients.end());
  std::vector<std::vector<T>> ys, dxs;
  std::vector<std::vector<float>> scales;
  for (std::size_t before : {std::size_t{0}, std::size_t{1}}) {
    poison_before = before;
    cl::batch_norm<T, space> norm({.batch = s.batch, .channels = s.channels, .places = s.places()}, true, 1e-5);
    there<T, Machine> in(machine, x), given(machine, dy), one(machine, x), other(machine, dy);
    there<float, Machine> by(machine, factors), to(machine, factors);
    auto out = there<T, Machine>::blank(machine, s.stored());
    auto dby = there<float, Machine>::blank(machine, s.channels), dto = there<float, Machine>::blank(machine, s.channels);
    norm.sum(in.seen(), machine.order());
    norm.normalise(in.seen(), by.seen(), to.seen(), out.all(), machine.order());
    norm.sum_gradients(in.seen(), given.seen(), machine.order());
    norm.backward(in.seen(), given.seen(), given.all(), dby.all(), dto.all(), machine.order());
    cl::add<T, space>(one.seen(), other.seen(), one.all(), true, machine.order());
    cl::relu_backward<T, space>(one.seen(), other.all(), machine.order());
    ys.push_back(out.got()), dxs.push_back(given.got()), scales.push_back(dby.got());
    ys.push_back(one.got()), dxs.push_back(other.got()), scales.push_back(dto.got());
  }
  poison_before = 1;
  for (std::size_t k : {0u, 1u}) {
    CHECK(same(ys[k], ys[k + 2]));
    CHECK(same(dxs[k], dxs[k + 2]));
    CHECK(same(scales[k], scales[k + 2]));
  }
}

template <class Machine>
void check_batch_norm(Machine& machine) {
  check_batch_norm_anywhere(machine);
  using T = modular;
  using space = typename Machine::space;
  const cl::sizes all[] = {{0, 3, 2, 2}, {1, 1, 1, 1}, {2, 5, 3, 7}, {3, 33, 9, 5}, {1, 2, 50, 41}, {0, 4, 2, 2}, {2, 6, 9, 7}, {1, 1, 181, 183}};
  for (const cl::sizes& s : all)
    for (bool relu : {false, true}) {
      CAPTURE(s.channels);
      poison_before = relu;
      const std::size_t channels = s.channels;
      const std::vector<T> x = some<T>(s.stored(), 3), dy = some<T>(s.stored(), 4), scale = some<T>(channels, 5), shift = some<T>(channels, 6);
      std::vector<T> y(s.stored()), dx(s.stored()), dscale(channels), dshift(channels), means = some<T>(channels, 7), variances = some<T>(channels, 8);
      batch_normalisation<T> near({.batch = s.batch, .channels = channels, .places = s.places()}, relu, 1e-5);
      cl::batch_norm<T, space> far({.batch = s.batch, .channels = channels, .places = s.places()}, relu, 1e-5);
      there<T, Machine> in(machine, last(s, x)), given(machine, last(s, dy)), by(machine, scale), to(machine, shift);
      there<T, Machine> running(machine, means), spread(machine, variances);
      auto out = there<T, Machine>::blank(machine, s.stored()), dby = there<T, Machine>::blank(machine, channels),
           dto = there<T, Machine>::blank(machine, channels);
      near.sum(x), far.sum(in.seen(), machine.order());
      near.normalise(x, scale, shift, y), far.normalise(in.seen(), by.seen(), to.seen(), out.all(), machine.order());
      CHECK(out.is(last(s, y)));
      near.follow(means, variances, 0.1), far.follow(running.all(), spread.all(), 0.1, machine.order());
      CHECK(running.is(means));
      CHECK(spread.is(variances));
      near.sum_gradients(x, dy), far.sum_gradients(in.seen(), given.seen(), machine.order());
      near.backward(x, dy, dx, dscale, dshift), far.backward(in.seen(), given.seen(), given.all(), dby.all(), dto.all(), machine.order());
      CHECK(given.is(last(s, dx)));
      CHECK(dby.is(dscale));
      CHECK(dto.is(dshift));
      near.normalise(x, means, variances, scale, shift, y);
      far.normalise(in.seen(), running.seen(), spread.seen(), by.seen(), to.seen(), out.all(), machine.order());
      CHECK(out.is(last(s, y)));
    }
  poison_before = 1;
}

/// A part of a whole tensor drops what the whole one drops.
template <class Machine>
void check_dropout(Machine& machine) {
  using space = typename Machine::space;
  const dropout_mask mask{.seed = 5, .step = 3, .layer = 2, .rate = 0.4};
  dropout_mask without = mask;
  without.step = 99;
  for (std::size_t depth : {1u, 2u}) {
    const cl::sizes s{.batch = 3, .channels = 5, .height = 4, .width = 7, .depth = depth}, whole{.batch = 4, .channels = 9, .height = 5, .width = 8, .depth = 2 * depth - 1};
    const std::size_t first[5] = {1, 2, depth - 1, 1, 1};
    std::vector<float> mine(s.stored(), 1.0f);
    const std::vector<float> ones = mine;
    std::size_t next = 0;
    for (std::size_t n = 0; n < s.batch; ++n)
      for (std::size_t c = 0; c < s.channels; ++c)
        for (std::size_t d = 0; d < s.depth; ++d)
          for (std::size_t h = 0; h < s.height; ++h)
            for (std::size_t w = 0; w < s.width; ++w) {
              const std::size_t number = ((((1 + n) * 9 + 2 + c) * whole.depth + depth - 1 + d) * 5 + 1 + h) * 8 + 1 + w;
              mask.apply<float>(number, std::vector<float>{1.0f}, span<float>(&mine[next++], 1));
            }
    there<float, Machine> f(machine, ones), g(machine, ones);
    there<std::uint32_t, Machine> step(machine, {2});
    cl::increase<std::uint32_t, space>(step.all(), machine.order());
    cl::dropout<float, space>(mask, {}, s, whole, first, f.all(), machine.order());
    cl::dropout<float, space>(without, step.seen(), s, whole, first, g.all(), machine.order());
    CHECK(f.is(last(s, mine)));
    CHECK(g.is(last(s, mine)));
  }
}

template <class Machine>
void check_elements(Machine& machine) {
  using T = modular;
  using space = typename Machine::space;
  const cl::sizes s{.batch = 3, .channels = 5, .height = 4, .width = 7};
  const std::vector<T> x = some<T>(s.stored(), 9), z = some<T>(s.stored(), 10), bias = some<T>(s.channels, 11);
  const std::vector<T> lx = last(s, x), lz = last(s, z);
  there<T, Machine> rows(machine, x), a(machine, lx), b(machine, lz), of(machine, bias);
  auto out = there<T, Machine>::blank(machine, s.stored());
  cl::from_rows<T, T, space>(s, rows.seen(), out.all(), machine.order());
  CHECK(out.is(lx));
  cl::to_rows<T, T, space>(s, a.seen(), out.all(), machine.order());
  CHECK(out.is(x));
  std::vector<T> want(s.stored());
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = lx[i] + lz[i];
  auto above = [](std::vector<T> v) {
    for (T& each : v) each = T{} < each ? each : T{};
    return v;
  };
  cl::add<T, space>(a.seen(), b.seen(), out.all(), true, machine.order());
  CHECK(out.is(above(want)));
  cl::add<T, space>(a.seen(), b.seen(), out.all(), false, machine.order());
  CHECK(out.is(want));
  for (std::size_t i = 0; i < want.size(); ++i) want[i] = want[i] + bias[i % s.channels];
  want = above(want);
  cl::add_bias<T, space>(out.all(), of.seen(), s.channels, true, machine.order());
  CHECK(out.is(want));
  for (std::size_t i = 0; i < want.size(); i += 3) want[i] = T{};
  there<T, Machine> y(machine, want);
  cl::relu_backward<T, space>(y.seen(), out.all(), machine.order());
  CHECK(out.is(want));
  std::vector<T> sums(s.channels);
  for (std::size_t i = 0; i < lx.size(); ++i) sums[i % s.channels] = sums[i % s.channels] + lx[i];
  auto parts = there<T, Machine>::blank(machine, cl::splits_of(s.batch * s.places(), s.channels) * s.channels),
       columns = there<T, Machine>::blank(machine, s.channels);
  cl::column_sums<T, space>(a.seen(), s.channels, parts.all(), columns.all(), machine.order());
  CHECK(columns.is(sums));
  cl::fill<T, space>(columns.all(), T(7), machine.order());
  CHECK(columns.is(std::vector<T>(s.channels, T(7))));

  // The last two rows of each picture, packed, and added to the first two of others.
  const cl::region top{.size = {s.batch, 1, 2, s.width, s.channels}, .from_first = 2 * s.width * s.channels,
                       .from_step = {s.places() * s.channels, 0, s.width * s.channels, s.channels, 1},
                       .into_step = {2 * s.width * s.channels, 0, s.width * s.channels, s.channels, 1}};
  auto packed = there<T, Machine>::blank(machine, top.elements());
  cl::copy_region<T, space>(top, a.seen(), packed.all(), machine.order());
  cl::region back{.size = {s.batch, 1, 2, s.width, s.channels}};
  for (int d = 0; d < cl::region::dimensions; ++d) back.from_step[d] = top.into_step[d], back.into_step[d] = top.from_step[d];
  cl::add_region<T, space>(back, packed.seen(), b.all(), machine.order());
  std::vector<T> cut, added = lz;
  for (std::size_t n = 0; n < s.batch; ++n)
    for (std::size_t k = 0; k < 2 * s.width * s.channels; ++k) {
      cut.push_back(lx[n * s.places() * s.channels + top.from_first + k]);
      T& sum = added[n * s.places() * s.channels + k];
      sum = sum + cut.back();
    }
  CHECK(packed.is(cut));
  CHECK(b.is(added));

  check_dropout(machine);

  // In 16 bits, to the nearest and back.
  auto halves = there<tutti::half, Machine>::blank(machine, s.stored());
  auto floats = there<float, Machine>::blank(machine, s.stored());
  std::vector<float> exact = some<float>(s.stored(), 13), rounded;
  for (float value : exact) rounded.push_back(static_cast<float>(tutti::half(value)));
  there<float, Machine> wide(machine, exact);
  cl::round_to<tutti::half, float, space>(wide.seen(), halves.all(), machine.order());
  cl::round_to<float, tutti::half, space>(halves.seen(), floats.all(), machine.order());
  CHECK(floats.is(rounded));
}

template <class Machine>
void check_losses(Machine& machine) {
  using space = typename Machine::space;

  // Each sample's loss, within a few roundings of the naive one's.
  for (std::size_t classes : {1u, 3u, 10u, 257u}) {
    const std::vector<float> logits = some<float>(7 * classes, 12);
    std::vector<std::uint8_t> labels;
    for (std::size_t n = 0; n < 7; ++n) labels.push_back(static_cast<std::uint8_t>(n * 5 % classes));
    std::vector<double> precise(logits.begin(), logits.end()), gradients(logits.size());
    there<float, Machine> there_logits(machine, logits);
    there<std::uint8_t, Machine> there_labels(machine, labels);
    auto losses = there<double, Machine>::blank(machine, 7);
    auto back_there = there<float, Machine>::blank(machine, logits.size());
    auto right = there<std::uint8_t, Machine>::blank(machine, 7);
    there<float, Machine> factor(machine, {0.5f});
    cl::softmax_cross_entropy<float, space>(classes, there_logits.seen(), there_labels.seen(), 0.5f, back_there.all(), losses.all(), right.all(),
                                            factor.seen(), machine.order());
    there<loss_figures, Machine> figures(machine, {{.loss = {.sum = 2, .correct = 3}, .samples = 5}});
    cl::count<space>(losses.seen(), right.seen(), figures.all(), machine.order());
    const std::vector<double> got = losses.got();
    const std::vector<float> back_got = back_there.got();
    loss_figures want{.loss = {.sum = 0, .correct = 3}, .samples = 12};
    const std::vector<std::uint8_t> hits = right.got();
    for (std::size_t n = 0; n < 7; ++n) {
      const naive::batch_loss one = naive::softmax_cross_entropy<double>(classes, span<const double>(precise).subspan(n * classes, classes),
                                                                         span<const std::uint8_t>(labels).subspan(n, 1), 0.25,
                                                                         span<double>(gradients).subspan(n * classes, classes));
      CHECK(std::abs(got[n] - one.sum) <= 1e-5);
      CHECK(hits[n] == one.correct);
      want.loss.sum += got[n], want.loss.correct += hits[n];
    }
    CHECK(figures.got()[0].loss.sum == 2 + want.loss.sum);
    CHECK(figures.got()[0].loss.correct == want.loss.correct);
    CHECK(figures.got()[0].samples == 12);
    for (std::size_t i = 0; i < gradients.size(); ++i) CHECK(std::abs(back_got[i] - gradients[i]) <= 1e-6);

    // Each of two shards, the first of which may have no class, with what the host finds for the other.
    const std::size_t cut = classes / 3;
    for (const auto& [first, end] : {std::pair<std::size_t, std::size_t>{0, cut}, std::pair<std::size_t, std::size_t>{cut, classes}}) {
      CAPTURE(first);
      const auto in_other = [&, from = first, to = end](std::size_t c) { return c < from || c >= to; };
      std::vector<float> shard, sums(14);
      std::vector<indexed<float>> greatest(7, arg_max::identity<indexed<float>>()), of_all = greatest;
      for (std::size_t n = 0; n < 7; ++n) {
        shard.insert(shard.end(), logits.begin() + static_cast<std::ptrdiff_t>(n * classes + first), logits.begin() + static_cast<std::ptrdiff_t>(n * classes + end));
        for (std::size_t c = 0; c < classes; ++c) {
          const indexed<float> one{logits[n * classes + c], static_cast<std::int64_t>(c)};
          of_all[n] = arg_max{}(of_all[n], one);
          if (in_other(c)) greatest[n] = arg_max{}(greatest[n], one);
        }
        for (std::size_t c = 0; c < classes; ++c) {
          if (!in_other(c)) continue;
          sums[2 * n] += std::exp(logits[n * classes + c] - of_all[n].value);
          if (c == labels[n]) sums[2 * n + 1] = logits[n * classes + c] - of_all[n].value;
        }
      }
      there<float, Machine> there_shard(machine, shard), other_sums(machine, sums);
      there<indexed<float>, Machine> other_greatest(machine, greatest);
      auto both_greatest = there<indexed<float>, Machine>::blank(machine, 7);
      auto both_sums = there<float, Machine>::blank(machine, 14);
      auto shard_losses = there<double, Machine>::blank(machine, 7);
      auto shard_back = there<float, Machine>::blank(machine, shard.size());
      auto shard_right = there<std::uint8_t, Machine>::blank(machine, 7);
      const auto fold_with_other = [&](auto values, auto op) {
        if constexpr (std::is_same_v<decltype(op), arg_max>) elementwise::fold(values, values, other_greatest.seen(), op, machine.order());
        else elementwise::fold(values, values, other_sums.seen(), op, machine.order());
      };
      cl::softmax_cross_entropy<float, space>(end - first, first, there_shard.seen(), there_labels.seen(), 0.5f, shard_back.all(), shard_losses.all(),
                                              shard_right.all(), factor.seen(), both_greatest.all(), both_sums.all(), machine.order(), fold_with_other);
      const std::vector<double> of_samples = shard_losses.got();
      const std::vector<float> back = shard_back.got();
      CHECK(shard_right.got() == hits);
      for (std::size_t n = 0; n < 7; ++n) {
        CHECK(std::abs(of_samples[n] - got[n]) <= 1e-5);
        for (std::size_t c = first; c < end; ++c) CHECK(std::abs(back[n * (end - first) + c - first] - gradients[n * classes + c]) <= 1e-6);
      }
    }
  }
}

// Of scaled gradients: a step with one that is not finite changes nothing but the
// scale, another does what SGD in float does.
template <class Machine>
void check_mixed(Machine& machine) {
  using space = typename Machine::space;
  const std::vector<float> begin = some<float>(100, 20), velocity = some<float>(100, 21), gradient = some<float>(100, 22);
  std::vector<float> scaled, broken;
  for (float g : gradient) scaled.push_back(g * 1024);
  broken = scaled;
  broken[77] = std::numeric_limits<float>::infinity();
  there<float, Machine> values(machine, begin), velocities(machine, velocity), good(machine, scaled), bad(machine, broken), rate(machine, {0.1f});
  there<mixed::loss_scale, Machine> state(machine, {{.factor = 1024, .good = 1998}});
  there<std::uint32_t, Machine> overflown(machine, {0});
  auto step = [&](auto& gradients) {
    mixed::look<space>(gradients.seen(), overflown.all(), machine.order());
    mixed::sgd_update<float, space>(values.all(), velocities.all(), gradients.seen(), rate.seen(), 0.9f, 0.01f, state.seen(), overflown.seen(), machine.order());
    mixed::settle<space>(state.all(), overflown.all(), machine.order());
  };
  step(bad);
  CHECK(values.is(begin));
  CHECK(velocities.is(velocity));
  CHECK(state.got()[0].factor == 512);
  CHECK(state.got()[0].good == 0);
  CHECK(overflown.is({0}));
  state = there<mixed::loss_scale, Machine>(machine, {{.factor = 1024, .good = 1998}});
  step(good);
  std::vector<float> want = begin, moves = velocity;
  for (std::size_t i = 0; i < 100; ++i) {
    moves[i] = 0.9f * moves[i] + (scaled[i] / 1024 + 0.01f * want[i]);
    want[i] -= 0.1f * moves[i];
  }
  CHECK(values.is(want));
  CHECK(velocities.is(moves));
  CHECK(state.got()[0].factor == 1024);
  step(good);
  CHECK(state.got()[0].factor == 2048);
  CHECK(state.got()[0].good == 0);
  // The factor stays between 1 and 2^24, and follows gradients from there as from anywhere.
  auto factor_after = [&](float factor, auto& gradients) {
    state = there<mixed::loss_scale, Machine>(machine, {{.factor = factor, .good = mixed::loss_scale::patience - 1}});
    step(gradients);
    CHECK(state.got()[0].good == 0);
    return state.got()[0].factor;
  };
  CHECK(factor_after(2, bad) == 1);
  CHECK(factor_after(1, bad) == 1);
  CHECK(factor_after(1, good) == 2);
  CHECK(factor_after(8388608, good) == 16777216);
  CHECK(factor_after(16777216, good) == 16777216);
  CHECK(factor_after(16777216, bad) == 8388608);
  // Without a scale gradients are what they are, whatever they are.
  there<float, Machine> plain(machine, begin), still(machine, std::vector<float>(100));
  mixed::sgd_update<float, space>(plain.all(), still.all(), bad.seen(), rate.seen(), 0.9f, 0.0f, {}, {}, machine.order());
  CHECK(still.is(broken));
}

}  // namespace channels_last_cases
