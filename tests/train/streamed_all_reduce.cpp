#include <tutti/train/streamed_all_reduce.hpp>

#include <doctest/doctest.h>

#include <string>

#include "../comm/thread_ranks.hpp"
#include "../kernel/far_machine.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

struct counts_updates {
  std::vector<std::size_t> elements = {};
  int ends = 0;
  void update(std::size_t, std::size_t n) { elements.push_back(n); }
  void end_step() { ++ends; }
};

}  // namespace

TEST_CASE("gradients are sums once they are applied, and each is applied once") {
  std::vector<int> right(3);
  thread_ranks::run(3, [&](communicator& world) {
    using backend = far_machine::far_backend<float>;
    backend::context c;
    process_mesh on(world, {{"data", 3}});
    sharded_model<backend> model(c, on, stripes::small_network(), "batch:data", {});
    streamed_all_reduce<backend> policy(model, {.bytes = 64});
    counts_updates o;
    bool good = policy.buckets() > 1;
    for (int step = 0; step < 3; ++step) {
      backend::fill(c, model.parameters().gradients(), static_cast<float>(world.rank() + step));
      const auto& all = model.parameters().parameters();
      for (std::size_t i = all.size(); i-- > 0;) policy.push(all[i], model.parameters().gradient(all[i]));
      policy.finish(o);
      for (const parameter& p : all)
        for (float g : model.read_gradient(p.index)) good &= g == static_cast<float>(3 + 3 * step);
    }
    good &= o.ends == 3 && o.elements.size() == 3 * policy.buckets();
    std::string said;
    try {
      policy.finish(o);
    } catch (const error& e) {
      said = e.what();
    }
    good &= said == "the step ends without the gradient of 'c.bias'";
    try {
      policy.push(model.parameters().parameters()[0], model.parameters().gradients());
    } catch (const error& e) {
      said = e.what();
    }
    good &= said.find("the gradient of 'a.weights' was pushed out of turn") == 0;
    policy.close();
    right[static_cast<std::size_t>(world.rank())] = good;
  });
  CHECK(right == std::vector<int>{1, 1, 1});
}
