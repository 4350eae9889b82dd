#include <tutti/kernel/batch_norm.hpp>

#include <doctest/doctest.h>

#include "data.hpp"

using namespace tutti;

namespace {

// Row-major values as a layout has them, with zeros where channels do not fill a block.
template <class T>
std::vector<T> laid(const channel_layout& l, const std::vector<T>& plain) {
  std::vector<T> all(l.batch * l.blocks() * l.block * l.places);
  for (std::size_t n = 0; n < l.batch; ++n)
    for (std::size_t c = 0; c < l.channels; ++c)
      for (std::size_t p = 0; p < l.places; ++p)
        all[((n * l.blocks() + c / l.block) * l.places + p) * l.block + c % l.block] = plain[(n * l.channels + c) * l.places + p];
  return all;
}

template <class T>
struct results {
  std::vector<T> y, dx, dscale, dshift, mean, variance;
  bool operator==(const results&) const = default;
};

template <class T>
struct problem {
  std::vector<T> x, dy, scale, shift;
  problem(const channel_layout& l, std::uint64_t seed)
      : x(some<T>(l.batch * l.channels * l.places, seed)), dy(some<T>(x.size(), seed + 1)), scale(some<T>(l.channels, seed + 2)),
        shift(some<T>(l.channels, seed + 3)) {}
};

template <class T>
results<T> run(const channel_layout& l, const problem<T>& q, bool relu) {
  const auto x = laid(l, q.x), dy = laid(l, q.dy);
  results<T> r{std::vector<T>(x.size()), std::vector<T>(x.size()), q.scale, q.scale, q.scale, q.scale};
  batch_normalisation<T> norm(l, relu, 1e-5);
  norm.sum(x);
  norm.normalise(x, q.scale, q.shift, r.y);
  norm.follow(r.mean, r.variance, 1);
  norm.sum_gradients(x, dy);
  norm.backward(x, dy, r.dx, r.dscale, r.dshift);
  return r;
}

/// By the definition, in long double and without a trick.
struct reference {
  std::vector<long double> y, dx, dscale, dshift, mean, variance;

  template <class T>
  reference(const channel_layout& l, const problem<T>& q, bool relu, double epsilon = 1e-5) : y(q.x.size()), dx(q.x.size()) {
    const long double n = static_cast<long double>(l.batch * l.places);
    for (std::size_t c = 0; c < l.channels; ++c) {
      auto for_each = [&](auto act) {
        for (std::size_t s = 0; s < l.batch; ++s)
          for (std::size_t p = 0; p < l.places; ++p) act((s * l.channels + c) * l.places + p);
      };
      long double m = 0, v = 0, sum = 0, product = 0;
      for_each([&](std::size_t i) { m += q.x[i] / n; });
      for_each([&](std::size_t i) { v += (q.x[i] - m) * (q.x[i] - m) / n; });
      const long double r = 1 / std::sqrt(v + epsilon);
      auto given = [&](std::size_t i) { return !relu || q.scale[c] * (q.x[i] - m) * r + q.shift[c] > 0 ? static_cast<long double>(q.dy[i]) : 0; };
      for_each([&](std::size_t i) {
        y[i] = q.scale[c] * (q.x[i] - m) * r + q.shift[c];
        if (relu && y[i] < 0) y[i] = 0;
        sum += given(i), product += given(i) * (q.x[i] - m) * r;
      });
      for_each([&](std::size_t i) { dx[i] = q.scale[c] * r * (given(i) - sum / n - (q.x[i] - m) * r * product / n); });
      dshift.push_back(sum), dscale.push_back(product), mean.push_back(m), variance.push_back(v * n / (n - 1));
    }
  }
};

template <class T>
double furthest(const std::vector<T>& a, const std::vector<long double>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, static_cast<double>(std::abs(a[i] - b[i])));
  return worst;
}

}  // namespace

TEST_CASE("A batch norm and its gradients are what the definition says, in double") {
  const channel_layout l{.batch = 3, .channels = 5, .places = 35};
  for (bool relu : {false, true}) {
    const problem<double> q(l, 1);
    const auto r = run(l, q, relu);
    const reference by(l, q, relu);
    // All values are of the order of 1, and of some hundred roundings each.
    const double bound = 1000 * 0x1p-53;
    CHECK(furthest(r.y, by.y) < bound);
    CHECK(furthest(r.dx, by.dx) < bound);
    CHECK(furthest(r.dscale, by.dscale) < 10 * bound);
    CHECK(furthest(r.dshift, by.dshift) < 10 * bound);
    CHECK(furthest(r.mean, by.mean) < bound);
    CHECK(furthest(r.variance, by.variance) < bound);
  }
}

TEST_CASE("The gradient is the derivative: along any direction the loss changes as it says") {
  // With h = 2⁻¹⁷ the difference is off by h² of third derivatives, and by rounding over h.
  const channel_layout l{.batch = 2, .channels = 3, .places = 7};
  const problem<double> q(l, 5);
  const auto r = run(l, q, false);
  const auto direction = some<double>(q.x.size(), 50);
  const double h = 0x1p-17;
  auto at = [&](double step) {
    auto moved = q;
    for (std::size_t i = 0; i < moved.x.size(); ++i) moved.x[i] += step * direction[i];
    return inner_product(run(l, moved, false).y, q.dy);
  };
  CHECK(std::abs((at(h) - at(-h)) / (2 * h) - inner_product(r.dx, direction)) < 1e-7);
}

TEST_CASE("Wherever channels lie, and on however many ranks, it is the same, exactly, over a prime field") {
  for (std::size_t channels : {1u, 5u, 8u, 19u})
    for (std::size_t batch : {0u, 1u, 3u})
      for (std::size_t places : {1u, 4u, 37u}) {
        CAPTURE(channels);
        const channel_layout plain{.batch = batch, .channels = channels, .places = places};
        const problem<modular> q(plain, 9);
        for (bool relu : {false, true}) {
          const auto expected = run(plain, q, relu);
          for (std::size_t block : {std::size_t{8}, std::size_t{16}, channels}) {
            channel_layout l = plain;
            l.block = block;
            auto r = run(l, q, relu);
            CHECK(r.y == laid(l, expected.y));  // zeros behind the last channel, too
            CHECK(r.dx == laid(l, expected.dx));
            r.y = expected.y, r.dx = expected.dx;
            CHECK(r == expected);
          }
          if (batch != 3) continue;
          // Two ranks, with one and two samples.
          const channel_layout first{.batch = 1, .channels = channels, .places = places}, rest{.batch = 2, .channels = channels, .places = places};
          batch_normalisation<modular> a(first, relu, 0), b(rest, relu, 0);
          const std::size_t cut = channels * places;
          auto add_up = [](span<modular> one, span<modular> other) {
            for (std::size_t i = 0; i < one.size(); ++i) one[i] = other[i] = one[i] + other[i];
          };
          std::vector<modular> y(q.x.size()), dx(q.x.size()), dscale(channels), dshift(channels);
          const span<const modular> x0(q.x.data(), cut), x1(q.x.data() + cut, 2 * cut), dy0(q.dy.data(), cut), dy1(q.dy.data() + cut, 2 * cut);
          add_up(a.sum(x0), b.sum(x1));
          a.normalise(x0, q.scale, q.shift, {y.data(), cut}), b.normalise(x1, q.scale, q.shift, {y.data() + cut, 2 * cut});
          CHECK(y == expected.y);
          add_up(a.sum_gradients(x0, dy0), b.sum_gradients(x1, dy1));
          a.backward(x0, dy0, {dx.data(), cut}, dscale, dshift);
          CHECK(dscale == expected.dscale);
          b.backward(x1, dy1, {dx.data() + cut, 2 * cut}, dscale, dshift);
          CHECK(dx == expected.dx);
          CHECK(dscale == expected.dscale);
          CHECK(dshift == expected.dshift);
        }
      }
}

TEST_CASE("Floats far from zero lose nothing that their own rounding has left") {
  const channel_layout l{.batch = 4, .channels = 2, .places = 300, .block = 8};
  for (float far : {0.0f, 100.0f, 4000.0f}) {
    CAPTURE(far);
    problem<float> q(l, 3);
    for (float& v : q.x) v += far;
    const reference by(l, q, false);
    const auto r = run(l, q, false);
    std::vector<float> y(q.x.size());
    for (std::size_t i = 0; i < q.x.size(); ++i) {  // row-major again
      const std::size_t n = i / (2 * 300), c = i / 300 % 2, p = i % 300;
      y[i] = r.y[(n * 300 + p) * 8 + c];
    }
    // The difference to the mean is exact within a factor of 2 of it; then some three roundings of numbers below 8.
    CHECK(furthest(y, by.y) < 8 * 4 * 0x1p-24);
    CHECK(furthest(r.variance, by.variance) < 4 * 0x1p-24);
  }
}

TEST_CASE("Running means follow the batch's, and evaluation uses them") {
  const channel_layout l{.batch = 2, .channels = 1, .places = 2};
  batch_normalisation<double> norm(l, false, 0);
  const std::vector<double> x{1, 3, 5, 7}, scale{2}, shift{1};
  std::vector<double> y(4), mean{0}, variance{1};
  norm.sum(x);
  norm.follow(mean, variance, 0.25);
  CHECK(mean == std::vector<double>{1});                              // of 0 and 4
  CHECK(variance[0] == doctest::Approx(0.75 + 0.25 * 20 / 3));  // squares around 4: 9 + 1 + 1 + 9, over 3
  mean = {3}, variance = {4};
  norm.normalise(x, mean, variance, scale, shift, y);
  CHECK(y == std::vector<double>{-1, 1, 3, 5});
}
