#pragma once
#include <vector>

#include <tutti/kernel/random.hpp>
#include <tutti/mesh/move.hpp>
#include <tutti/mesh/tensor_operation.hpp>

// Meshes, placements and a network to try everything on.

namespace worlds {

/// Of 1 to 6 ranks, along one axis and along two.
inline std::vector<tutti::mesh> meshes() {
  std::vector<tutti::mesh> all;
  for (int a = 1; a <= 6; ++a) all.push_back({{"a", a}});
  for (int a = 1; a <= 3; ++a)
    for (int b = 2; a * b <= 6; ++b) all.push_back({{"a", a}, {"b", b}});
  return all;
}

/// Every placement of a tensor of so many dimensions.
inline std::vector<tutti::placement> placements(std::size_t dimensions, const tutti::mesh& on) {
  std::vector<tutti::placement> all{{}};
  // All orders of the axes on a dimension come from all orders of giving them away.
  for (std::size_t done = 0; done < all.size(); ++done)
    for (int axis = 0; axis < on.axes(); ++axis) {
      if (!all[done].replicated_on(axis)) continue;
      auto add = [&](const tutti::placement& next) {
        for (const tutti::placement& known : all)
          if (known == next) return;
        all.push_back(next);
      };
      for (std::size_t d = 0; d < dimensions; ++d) add(all[done].sharded(d, axis));
      add(all[done].with_partial(axis));
    }
  return all;
}

/// Paths that fork and join, uneven windows, and more places than pieces.
constexpr tutti::operation_list small_network() {
  constexpr tutti::window three{.size = 3, .pad_low = 1, .pad_high = 1}, two{.size = 2, .stride = 2};
  tutti::operation_list n({{"batch", 3}, {"channels", 2}, {"height", 7}, {"width", 6}});
  n.convolution("conv1", 4, three, three);
  n.pointwise("relu1");
  n.pool("pool1", {.size = 3, .stride = 2, .pad_low = 1}, two);
  const std::size_t skip = n.convolution("conv2", 3, {.size = 2, .pad_high = 1}, three);
  n.pointwise("relu2");
  const std::size_t other = n.convolution("conv3", 3, three, three);
  n.sum("add", skip, other);
  n.pointwise("relu3");
  n.flatten("flatten");
  n.dense("dense1", 5);
  n.pointwise("relu4");
  n.dense("dense2", 4);
  return n;
}

/// Pictures with depth: groups, dilation, padding on one side, strides that leave a rest, and a skip.
constexpr tutti::operation_list deep_network() {
  constexpr tutti::window three{.size = 3, .pad_low = 1, .pad_high = 1}, two{.size = 2, .stride = 2};
  using windows = std::vector<tutti::window>;
  tutti::operation_list n({{"batch", 2}, {"channels", 2}, {"depth", 5}, {"height", 4}, {"width", 6}});
  n.convolution("conv1", 4, windows{three, {.size = 2, .pad_high = 1}, three}, n.last, {.bias = false});
  n.batch_norm("norm1");
  const std::size_t fork = n.pointwise("relu1");
  n.convolution("conv2", 4, windows{{.size = 2, .pad_low = 2, .dilation = 2}, three, {.size = 3, .pad_low = 2}}, fork, {.groups = 2});
  n.sum("sum1", n.all().size(), fork);
  n.pool("pool1", windows{{.size = 3, .stride = 2, .pad_low = 1}, {.size = 3, .pad_low = 1, .pad_high = 1}, two});
  n.convolution("conv3", 3, windows{{.size = 2}, {.size = 2, .stride = 2}, {.size = 2, .pad_high = 1}});
  n.dropout("drop1", 0.5);
  n.average_pool("pool2", windows{{}, two, {.size = 2}});
  n.flatten("flatten");
  n.dense("dense1", 4);
  return n;
}

/// What networks after LeNet have: batch norms of pictures and of features, groups,
/// convolutions without bias, dropout of sums, averages, and a join of a sum with what is none.
constexpr tutti::operation_list normalised_network() {
  constexpr tutti::window three{.size = 3, .pad_low = 1, .pad_high = 1}, two{.size = 2, .stride = 2};
  tutti::operation_list n({{"batch", 5}, {"channels", 2}, {"height", 6}, {"width", 5}});
  n.convolution("conv1", 4, three, three, n.last, {.bias = false});
  n.batch_norm("norm1");
  const std::size_t fork = n.pointwise("relu1");
  n.convolution("conv2", 4, three, three, fork, {.groups = 2, .bias = false});
  n.batch_norm("norm2");
  const std::size_t one = n.pointwise("relu2"), other = n.convolution("side", 4, {}, {}, fork);
  n.sum("join", other, one);
  n.dropout("drop1", 0.5);
  n.average_pool("pool1", {.size = 3, .stride = 2, .pad_low = 1}, two);
  n.flatten("flatten");
  n.dense("dense1", 5);
  n.batch_norm("norm3");
  n.dropout("drop2", 0.25);
  n.dense("dense2", 4);
  return n;
}

}  // namespace worlds
