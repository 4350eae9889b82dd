// A matrix product on a mesh, operands and result cut both ways, and its gradients.
//
//     matmul --ranks 4
#include <cstdio>
#include <vector>

#include <tutti/mesh/products.hpp>
#include <tutti/mesh/reductions.hpp>
#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  return tutti::run(argc, argv, [](tutti::communicator& world) {
    tutti::process_mesh on(world, {{"r", 2}, {"c", 2}});
    const tutti::placement both = tutti::placement{}.sharded(0, 0).sharded(1, 1);
    tutti::sharded_tensor<double> x(on, {{"batch", 4}, {"in", 6}}, both), w(on, {{"in", 6}, {"out", 3}}, both);
    x.fill([](std::size_t i) { return static_cast<double>(i); });
    w.fill([](std::size_t i) { return static_cast<double>(i % 4); });
    const auto y = multiply(x, w, {"batch", "out"}, both);           // (4/r, 3/c)
    const auto [dx, dw] = multiply_gradients(x, w, y);               // (4/r, 6/c), (6/r, 3/c)
    const auto best = max(y, {"out"});                               // (4/r)
    const auto total = sum(y, {"batch", "out"});                     // (), a sum over r and c
    const std::vector<double> all = y.gather(0), most = best.values.gather(0), one = total.gather(0);
    if (world.rank() == 0) {
      for (std::size_t i = 0; i < 4; ++i) std::printf("%g %g %g, at most %g\n", all[3 * i], all[3 * i + 1], all[3 * i + 2], most[i]);
      std::printf("in all %g\n", one[0]);
    }
  });
}
