#include <tutti/nn/sharded_loss.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "../comm/thread_ranks.hpp"
#include "../kernel/data.hpp"
#include "../mesh/worlds.hpp"
#include "../need.hpp"

using namespace tutti;

TEST_CASE("a loss over cut classes is that over whole ones, as far as sums in another order can tell") {
  const std::size_t batch = 4, classes = 7;
  const std::vector<double> logits = some<double>(batch * classes, 5);
  const std::vector<std::uint8_t> labels{6, 0, 3, 3};
  std::vector<double> gradient(logits.size());
  const naive::batch_loss whole = naive::softmax_cross_entropy<double>(classes, logits, labels, 0.25, gradient);
  // Each of at most 7 summands, exponentials and the logarithm is off by some units of 2⁻⁵³; all lie below 8.
  const double bound = 64 * 8 * 0x1p-53;
  const shape all{{"batch", batch}, {"classes", classes}};
  for (const mesh& m : {mesh{{"model", 3}}, mesh{{"data", 2}, {"model", 2}}, mesh{{"model", 9}}}) {
    const int model = m.find("model"), data = m.find("data");
    placement at = placement{}.sharded(1, model);
    if (data >= 0) at = at.sharded(0, data);
    thread_ranks::run(m.size(), [&](communicator& world) {
      process_mesh on(world, m);
      const block held = block_of(all, at, m, on.rank());
      std::vector<double> mine(held.elements()), found(mine.size()), expected(mine.size());
      copy_block(held, block(all), logits.data(), held, mine.data());
      copy_block(held, block(all), gradient.data(), held, expected.data());
      const span<const std::uint8_t> my_labels(labels.data() + held[0].first, held[0].count);
      naive::batch_loss loss = sharded_cross_entropy<double>(on, at, held, mine, my_labels, 0.25, found);
      for (std::size_t i = 0; i < found.size(); ++i) REQUIRE(std::abs(found[i] - expected[i]) <= bound);
      double sums[] = {loss.sum, static_cast<double>(loss.correct)};
      if (data >= 0) all_reduce(on.along(data), span<double>(sums, 2), plus{});
      REQUIRE(std::abs(sums[0] - whole.sum) <= 4 * bound);
      REQUIRE(sums[1] == static_cast<double>(whole.correct));
    });
  }
}

TEST_CASE("over a field a loss and its gradient equal one rank's, however batch and classes are cut") {
  const std::size_t batch = 3, classes = 5;
  const std::vector<modular> logits = some<modular>(batch * classes, 6);
  const std::vector<std::uint8_t> labels{4, 0, 2};
  const modular scale(19);
  std::vector<modular> gradient(logits.size());
  naive::softmax_cross_entropy<modular>(classes, logits, labels, scale, gradient);
  const shape all{{"batch", batch}, {"classes", classes}};
  std::size_t cases = 0;
  for (const mesh& m : worlds::meshes())
    for (const placement& at : worlds::placements(all.rank(), m)) {
      if (at.any_partial()) continue;
      CAPTURE(m.text());
      ++cases;
      thread_ranks::run(m.size(), [&](communicator& world) {
        process_mesh on(world, m);
        const block held = block_of(all, at, m, on.rank());
        std::vector<modular> mine(held.elements()), found(mine.size()), expected(mine.size());
        copy_block(held, block(all), logits.data(), held, mine.data());
        copy_block(held, block(all), gradient.data(), held, expected.data());
        const span<const std::uint8_t> my_labels(labels.data() + held[0].first, held[0].count);
        const naive::batch_loss loss = sharded_cross_entropy<modular>(on, at, held, mine, my_labels, scale, found);
        const naive::batch_loss whole = naive::softmax_cross_entropy<modular>(
            classes, span<const modular>(logits).subspan(held[0].first * classes, held[0].count * classes), my_labels, scale, {});
        tests::need(found == expected, "gradient");
        tests::need(loss.sum == whole.sum && loss.correct == whole.correct, "loss");
      });
    }
  MESSAGE("ways to cut logits: " << cases);
}
