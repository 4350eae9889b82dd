#include <tutti/train/gradient_policy.hpp>

#include <doctest/doctest.h>

#include <tutti/train/sgd.hpp>

using namespace tutti;

namespace {
struct forgetful {
  void fetch(const parameter&) {}
  void push(const parameter&, span<float>) {}
};
static_assert(gradient_policy<local_gradients<float>, float, sgd<float>>);
static_assert(!gradient_policy<forgetful, float, sgd<float>>, "a policy must finish");
static_assert(!gradient_policy<local_gradients<float>, float, forgetful>, "an optimiser must update");
}  // namespace

TEST_CASE("One rank's gradients are applied as they are") {
  parameter p{.label = "w", .dims = {{"n", 2}}, .stored = 2};
  parameter_store<float> store({p});
  local_gradients<float> policy(store);
  sgd<float> o(store, {.learning_rate = 1, .momentum = 0});
  const parameter& w = store.parameters()[0];
  store.gradient(w)[1] = 3;
  policy.fetch(w);
  policy.push(w, store.gradient(w));
  policy.finish(o);
  CHECK(store.value(w)[0] == 0);
  CHECK(store.value(w)[1] == -3);
}

TEST_CASE("Communication is what was hidden and what was not") {
  CHECK(communication_time{.hidden = 2, .exposed = 1}.total() == 3);
}
