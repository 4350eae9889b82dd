#include <tutti/train/step_bill.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"
#include "stripes.hpp"

using namespace tutti;

TEST_CASE("a step of training sends what its bill says, gradients in buckets included") {
  const struct {
    const char* on;
    const char* rules;
  } layouts[] = {{"data=3", "batch:data"},
                 {"p=4", "a/height:p,b/units:p,c/units:p"},
                 {"data=2,model=2", "batch:data,a/filters:model,b/units:model"},
                 {"p=3", "a/batch:p,b/units:p,c/units:p"}};
  for (const auto& one : layouts)
    for (std::size_t bytes : {64u, 1u << 20}) {
      CAPTURE(std::string(one.rules));
      const mesh m = mesh::parse(one.on);
      std::atomic<int> wrong{0};
      std::atomic<std::uint64_t> sent{0};
      thread_ranks::run(m.size(), [&](communicator& world) {
        naive_backend<float>::context c;
        process_mesh on(world, m);
        sharded_model<naive_backend<float>> model(c, on, stripes::small_network(), std::string_view(one.rules), {.usual_batch = 8});
        const std::uint64_t counted = count_step(model, 8, {.bytes = bytes});
        wrong += counted != bill_of(model, 8, {.bytes = bytes}).sent().bytes;
        sent += counted;
      });
      CHECK(wrong == 0);
      CHECK(sent > 0);
    }
}
