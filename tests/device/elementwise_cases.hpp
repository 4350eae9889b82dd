#pragma once
// What device/thrust.hpp must do, against plain loops, in the memory of any
// machine: `put` brings a vector there, `get` back, `order` says in whose order.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <tutti/base/numbers.hpp>
#include <tutti/device/thrust.hpp>

namespace elementwise_cases {

using namespace tutti;

inline constexpr std::size_t sizes[] = {0, 1, 2, 15, 16, 17, 255, 1000, 4099};

struct on_host {
  using space = host;
  elementwise::here order() const { return {}; }
  template <class T>
  struct memory {
    std::vector<T> all;
    std::size_t shift = 0;
    span<T> inside() { return span<T>(all).subspan(shift, all.size() - 8); }
  };
  template <class T>
  memory<T> put(const std::vector<T>& v, std::size_t shift) const {
    return {v, shift};
  }
  template <class T>
  std::vector<T> get(const memory<T>& m) const {
    return m.all;
  }
};

/// A vector of n elements between poison, `shift` from its begin.
template <class T>
std::vector<T> poisoned(const std::vector<T>& inside, std::size_t shift) {
  std::vector<T> all(inside.size() + 8);
  std::memset(static_cast<void*>(all.data()), 0x5a, all.size() * sizeof(T));
  for (std::size_t i = 0; i < inside.size(); ++i) all[shift + i] = inside[i];
  return all;
}

template <class T>
bool same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

template <class Machine>
void check_all(Machine& machine, std::size_t n, std::size_t shift) {
  using space = typename Machine::space;
  std::mt19937 random(static_cast<unsigned>(n * 4 + shift));
  std::uniform_real_distribution<float> any(-3, 3);
  auto numbers = [&] {
    std::vector<float> v(n);
    for (float& x : v) x = any(random);
    return v;
  };
  const std::vector<float> a = numbers(), b = numbers(), c = numbers();
  const std::vector<float> blank(n, -99.0f);
  auto in = [&](const auto& v) { return machine.put(poisoned(v, shift), shift); };
  auto got = [&](const auto& memory) { return machine.get(memory); };
  auto loop = [&](auto f) {
    std::vector<std::decay_t<decltype(f(std::size_t{}))>> v;
    for (std::size_t i = 0; i < n; ++i) v.push_back(f(i));
    return poisoned(v, shift);
  };
  auto x = in(a), y = in(b), z = in(c), out = in(blank), other = in(blank);

  elementwise::fold(out.inside(), x.inside(), y.inside(), plus{}, machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return a[i] + b[i]; })));
  elementwise::fold(std::array{out.inside(), other.inside()}, std::array<span<const float, space>, 3>{x.inside(), y.inside(), z.inside()}, plus{}, machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return a[i] + b[i] + c[i]; })));
  CHECK(same(got(other), got(out)));
  elementwise::fold(out.inside(), out.inside(), y.inside(), maximum{}, machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return a[i] + b[i] + c[i] < b[i] ? b[i] : a[i] + b[i] + c[i]; })));
  out = in(a);
  elementwise::scale(out.inside(), 0.3f, machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return a[i] * 0.3f; })));
  CHECK(same(got(x), poisoned(a, shift)));

  auto narrow = in(std::vector<bfloat16>(n));
  elementwise::convert(narrow.inside(), x.inside(), machine.order());
  CHECK(same(got(narrow), loop([&](std::size_t i) { return bfloat16(a[i]); })));
  elementwise::convert(out.inside(), narrow.inside(), machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return static_cast<float>(bfloat16(a[i])); })));
  auto halves = in(std::vector<tutti::half>(n));
  elementwise::convert(halves.inside(), x.inside(), machine.order());
  CHECK(same(got(halves), loop([&](std::size_t i) { return tutti::half(a[i]); })));
  auto bytes = in(std::vector<fp8_e4m3>(n));
  elementwise::convert(bytes.inside(), x.inside(), machine.order());
  CHECK(same(got(bytes), loop([&](std::size_t i) { return fp8_e4m3(a[i]); })));
  // Short floats are folded in float: the sum of the first two alone is rounded away.
  const std::vector<tutti::half> most(n, tutti::half(2048.0f)), one(n, tutti::half(1.0f));
  auto big = in(most), small = in(one);
  elementwise::fold(std::array{halves.inside()}, std::array<span<const tutti::half, space>, 3>{big.inside(), small.inside(), small.inside()}, plus{},
                    machine.order());
  CHECK(same(got(halves), loop([&](std::size_t) { return tutti::half(2050.0f); })));

  auto values = in(a), velocities = in(b);
  elementwise::sgd_update(values.inside(), velocities.inside(), z.inside(), 0.1f, 0.9f, 0.01f, machine.order());
  auto velocity = [&](std::size_t i) { return 0.9f * b[i] + (c[i] + 0.01f * a[i]); };
  CHECK(same(got(velocities), loop(velocity)));
  CHECK(same(got(values), loop([&](std::size_t i) { return a[i] - 0.1f * velocity(i); })));

  auto quantised = in(std::vector<std::int8_t>(n, 99));
  auto quantum = [&](std::size_t i) {
    const float q = std::nearbyint(a[i] / 0.02f);
    return static_cast<std::int8_t>(std::fmax(-127.0f, std::fmin(127.0f, q)));
  };
  elementwise::quantise<space>(quantised.inside(), x.inside(), 0.02f, machine.order());
  CHECK(same(got(quantised), loop(quantum)));
  elementwise::dequantise<space>(out.inside(), quantised.inside(), 0.02f, machine.order());
  CHECK(same(got(out), loop([&](std::size_t i) { return static_cast<float>(quantum(i)) * 0.02f; })));

  // Rows of 3, every 5, as many as there are.
  const std::size_t rows = n < 3 ? 0 : (n - 3) / 5 + 1;
  std::vector<float> wanted;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < 3; ++i) wanted.push_back(a[5 * r + i]);
  auto picked = in(std::vector<float>(3 * rows, -1.0f));
  elementwise::gather_rows(picked.inside(), x.inside(), 3, 5, machine.order());
  CHECK(same(got(picked), poisoned(wanted, shift)));
}

/// All numbers of T become floats, and floats numbers of T, as they do here: those between
/// two neighbours, just beside, and beyond all of them.
template <class T, class Machine>
void check_conversions(Machine& machine) {
  constexpr float infinite = std::numeric_limits<float>::infinity();
  std::vector<T> numbers;
  constexpr float most = std::numeric_limits<T>::max(), below = std::numeric_limits<float>::max();
  std::vector<float> floats{infinite, -infinite, below, -below, std::numeric_limits<float>::denorm_min()};
  // Where rounding to the greatest number ends: half a step beyond it.
  T before = std::numeric_limits<T>::max();
  before.bits = static_cast<decltype(before.bits)>(before.bits - 1);
  for (const float edge = most + (most - static_cast<float>(before)) / 2; float side : {1.0f, -1.0f})
    if (std::isfinite(edge)) floats.insert(floats.end(), {side * edge, side * std::nextafter(edge, infinite), side * std::nextafter(edge, 0.0f)});
  for (std::uint32_t bits = 0; bits >> 8 * sizeof(T) == 0; ++bits) {
    T one, next;
    one.bits = static_cast<decltype(one.bits)>(bits), next.bits = static_cast<decltype(one.bits)>(bits + 1);
    const float low = one, middle = low / 2 + static_cast<float>(next) / 2;
    if (std::isnan(low)) continue;
    numbers.push_back(one);
    if (std::isfinite(middle)) floats.insert(floats.end(), {middle, std::nextafter(middle, infinite), std::nextafter(middle, -infinite)});
  }
  std::vector<float> wide;
  std::vector<T> narrow;
  for (T x : numbers) wide.push_back(x);
  for (float x : floats) narrow.push_back(T(x));
  auto a = machine.put(poisoned(numbers, 0), 0);
  auto b = machine.put(poisoned(std::vector<float>(numbers.size()), 0), 0), c = machine.put(poisoned(floats, 0), 0);
  auto d = machine.put(poisoned(std::vector<T>(floats.size()), 0), 0);
  elementwise::convert(b.inside(), a.inside(), machine.order());
  CHECK(same(machine.get(b), poisoned(wide, 0)));
  elementwise::convert(d.inside(), c.inside(), machine.order());
  CHECK(same(machine.get(d), poisoned(narrow, 0)));
}

template <class Machine>
void check_conversions(Machine& machine) {
  check_conversions<tutti::half>(machine);
  check_conversions<bfloat16>(machine);
  check_conversions<fp8_e4m3>(machine);
  check_conversions<fp8_e5m2>(machine);
}

}  // namespace elementwise_cases
