#include <tutti/train/loader.hpp>

#include <algorithm>
#include <numeric>

#include <doctest/doctest.h>

using namespace tutti;

namespace {
dataset numbered(std::size_t count) {
  dataset d{.count = count, .height = 1, .width = 2};
  for (std::size_t i = 0; i < count; ++i) {
    d.pixels.push_back(static_cast<std::uint8_t>(i % 256));
    d.pixels.push_back(static_cast<std::uint8_t>(255 - i % 256));
    d.labels.push_back(static_cast<std::uint8_t>(i % 10));
  }
  return d;
}
std::vector<std::uint32_t> batch_of(const loader& l, std::size_t b) {
  return {l.samples(b).begin(), l.samples(b).end()};
}
}  // namespace

TEST_CASE("A permutation holds everything once, and is the same for the same stream") {
  for (std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{2}, std::size_t{1000}}) {
    auto p = permutation(count, {.seed = 3, .purpose = 4});
    CHECK(p == permutation(count, {.seed = 3, .purpose = 4}));
    if (count == 1000) CHECK(p != permutation(count, {.seed = 3, .purpose = 5}));
    std::sort(p.begin(), p.end());
    std::vector<std::uint32_t> in_order(count);
    std::iota(in_order.begin(), in_order.end(), 0u);
    CHECK(p == in_order);
  }
  // Found by another program, in Python: every machine must find this order.
  CHECK(permutation(8, {.seed = 1, .purpose = 0}) == std::vector<std::uint32_t>{6, 4, 5, 2, 1, 0, 3, 7});
}

TEST_CASE("One to nine ranks see every sample once an epoch, in the same batches") {
  const dataset data = numbered(103);
  for (std::size_t batch : {std::size_t{1}, std::size_t{7}, std::size_t{64}, std::size_t{103}, std::size_t{500}}) {
    loader alone(data, {.batch = batch, .seed = 9});
    alone.begin_epoch(2);
    for (int ranks = 1; ranks <= 9; ++ranks) {
      std::vector<loader> all;
      for (int r = 0; r < ranks; ++r) {
        all.emplace_back(data, loader_options{.batch = batch, .rank = r, .ranks = ranks, .seed = 9});
        all.back().begin_epoch(2);
      }
      std::vector<int> seen(data.count, 0);
      for (std::size_t b = 0; b < alone.batches(); ++b) {
        std::vector<std::uint32_t> together;
        for (const loader& l : all) {
          REQUIRE(l.batch_size(b) == alone.batch_size(b));
          for (std::uint32_t s : l.samples(b)) together.push_back(s), ++seen[s];
        }
        REQUIRE(together == batch_of(alone, b));
        REQUIRE(together.size() == (b + 1 < alone.batches() ? batch : data.count - b * batch));
      }
      REQUIRE(std::all_of(seen.begin(), seen.end(), [](int times) { return times == 1; }));
    }
  }
}

TEST_CASE("Epochs and seeds differ, and an inner seed moves samples inside their batch only") {
  const dataset data = numbered(50);
  loader a(data, {.batch = 16, .seed = 1}), b(data, {.batch = 16, .seed = 2}),
      inner(data, {.batch = 16, .seed = 1, .inner_seed = 5});
  const auto first = batch_of(a, 0);
  CHECK(first != batch_of(b, 0));
  bool moved = false;
  for (std::size_t k = 0; k < 4; ++k) {
    auto x = batch_of(a, k), y = batch_of(inner, k);
    moved |= x != y;
    std::sort(x.begin(), x.end());
    std::sort(y.begin(), y.end());
    CHECK(x == y);
  }
  CHECK(moved);
  a.begin_epoch(1);
  CHECK(first != batch_of(a, 0));
  a.begin_epoch(0);
  CHECK(first == batch_of(a, 0));
  loader plain(data, {.batch = 16, .shuffle = false});
  CHECK(batch_of(plain, 3) == std::vector<std::uint32_t>{48, 49});
}

TEST_CASE("Samples arrive normalised, with their labels") {
  dataset data = numbered(5);
  data.scales = {{.mean = 0.5f, .deviation = 0.25f}};
  loader l(data, {.batch = 3, .rank = 1, .ranks = 2, .shuffle = false});
  CHECK(l.local_share(0) == share{.first = 2, .count = 1});
  std::vector<float> x(2);
  std::vector<std::uint8_t> labels(1);
  l.load(0, x, labels);
  CHECK(labels[0] == 2);
  CHECK(x[0] == (2.0f / 255.0f - 0.5f) / 0.25f);
  CHECK(x[1] == (253.0f / 255.0f - 0.5f) / 0.25f);
  std::vector<std::uint8_t> two(2);
  CHECK_THROWS_WITH_AS(l.load(0, x, two), "a share of 1 samples does not fit in 2 labels", error);
  std::vector<float> three(3);
  CHECK_THROWS_WITH_AS(l.load(0, three, labels), "1 samples of 2 values do not fit in 3 values", error);
  CHECK_THROWS_WITH_AS(loader(data, {.batch = 0}), "a batch of 0 samples: at least 1 is needed", error);
  const dataset nothing = numbered(0);
  CHECK(loader(nothing, {}).batches() == 0);
}

TEST_CASE("A varied picture shows what it is said to show, channel by channel, and black beyond its edges") {
  dataset data{.count = 40, .channels = 2, .height = 5, .width = 4, .scales = {{.mean = 0.25f}, {.mean = 0.5f, .deviation = 2}}};
  for (std::size_t k = 0; k < data.count * data.sample_size(); ++k) data.pixels.push_back(static_cast<std::uint8_t>(k * 7 % 256));
  data.labels.assign(data.count, 0);
  const augmentation how{.flip = true, .crop = 6};  // some pictures go out of sight
  sample_reader reader(data, how, 9);
  for (std::size_t epoch : {std::size_t{0}, std::size_t{3}}) {
    reader.begin_epoch(epoch);
    std::vector<float> x(data.count * data.sample_size());
    std::vector<std::uint8_t> labels(data.count);
    reader.read([&](std::size_t i) { return data.count - 1 - i; }, x, labels);
    for (std::size_t i = 0; i < data.count; ++i) {
      const variation v = variation_of(how, 9, epoch, data.count - 1 - i);
      for (std::size_t c = 0; c < 2; ++c)
        for (int row = 0; row < 5; ++row)
          for (int column = 0; column < 4; ++column) {
            const int down = row + static_cast<int>(v.down), across = column + static_cast<int>(v.across);
            float pixel = 0;
            if (down >= 0 && down < 5 && across >= 0 && across < 4)
              pixel = data.pixels[(((data.count - 1 - i) * 2 + c) * 5 + static_cast<std::size_t>(down)) * 4 +
                                  static_cast<std::size_t>(v.mirrored ? 3 - across : across)];
            REQUIRE(x[((i * 2 + c) * 5 + static_cast<std::size_t>(row)) * 4 + static_cast<std::size_t>(column)] ==
                    (pixel / 255.0f - data.scales[c].mean) / data.scales[c].deviation);
          }
    }
  }
}

TEST_CASE("A sample is varied the same on whichever rank and in whichever batch") {
  dataset data = numbered(30);
  auto all = [&](std::size_t batch, int ranks) {
    std::vector<std::array<float, 2>> seen(data.count);
    for (int r = 0; r < ranks; ++r) {
      loader l(data, {.batch = batch, .rank = r, .ranks = ranks, .seed = 4, .vary = {.flip = true, .crop = 1}});
      l.begin_epoch(2);
      for (std::size_t b = 0; b < l.batches(); ++b) {
        std::vector<float> x(l.samples(b).size() * 2);
        std::vector<std::uint8_t> labels(l.samples(b).size());
        l.load(b, x, labels);
        for (std::size_t i = 0; i < labels.size(); ++i) seen[l.samples(b)[i]] = {x[2 * i], x[2 * i + 1]};
      }
    }
    return seen;
  };
  CHECK(all(7, 1) == all(10, 3));
}
