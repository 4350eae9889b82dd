#include <tutti/nn/model.hpp>

#include <doctest/doctest.h>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/nn/networks/lenet.hpp>

#include "../kernel/data.hpp"

using namespace tutti;
using exact_model = model<naive_backend<double>>;

TEST_CASE("A seed makes the same model everywhere, whatever batch is usual") {
  naive_backend<double>::context c;
  exact_model a(c, lenet(), {.seed = 3, .usual_batch = 1}), b(c, lenet(), {.seed = 3, .usual_batch = 7}),
      other(c, lenet(), {.seed = 4});
  for (const parameter& p : a.parameters().parameters()) {
    CHECK(a.read(p) == b.read(p));
    if (p.fan_in > 0) CHECK(a.read(p) != other.read(p));
  }
  CHECK(a.format_fingerprint() == b.format_fingerprint());
}

TEST_CASE("What is written is read, and a wrong number of elements is refused") {
  naive_backend<double>::context c;
  exact_model m(c, lenet());
  const parameter& p = m.parameters().parameters()[2];
  auto values = some<double>(p.dims.elements(), 5);
  m.write(p, values);
  CHECK(m.read(p) == values);
  CHECK_THROWS_WITH_AS(m.write(p, {1, 2, 3}), "parameter 'conv2.weights' has 12800 elements, not 3", error);
}

TEST_CASE("A pass is made once for a batch and a purpose") {
  naive_backend<double>::context c;
  exact_model m(c, lenet(), {.usual_batch = 2});
  auto& a = m.pass_for(3, purpose::training);
  CHECK(&a == &m.pass_for(3, purpose::training));
  CHECK(&a != &m.pass_for(3, purpose::evaluation));
  CHECK(&a != &m.pass_for(2, purpose::training));
  CHECK(a.input().size() == 3 * 784);
  CHECK(a.output().size() == 30);
}

TEST_CASE("Gradients of the parts of a batch add up to those of the whole, exactly, over a prime field") {
  network net({{"channels", 2}, {"height", 5}, {"width", 5}});
  net.convolution("a", {.filters = 3, .kernel = 3}).flatten().dense("b", {.units = 4});
  using field_model = model<naive_backend<modular>>;
  naive_backend<modular>::context c;
  field_model m(c, net, {.usual_batch = 1});
  const auto& all = m.parameters().parameters();
  for (const parameter& p : all) m.write(p, some<modular>(p.dims.elements(), p.index));
  auto x = some<modular>(7 * 50, 21), dy = some<modular>(7 * 4, 22);
  // Gradients of samples first … first + count − 1, one parameter after the other.
  auto gradients = [&](std::size_t first, std::size_t count) {
    auto& p = m.pass_for(count, purpose::training);
    for (std::size_t i = 0; i < count * 50; ++i) p.input()[i] = x[first * 50 + i];
    m.forward(p);
    for (std::size_t i = 0; i < count * 4; ++i) p.output_gradient()[i] = dy[first * 4 + i];
    std::vector<modular> flat;
    m.backward(p, [](const parameter&, span<modular>) {});
    for (const parameter& q : all)
      for (modular v : m.read_gradient(q)) flat.push_back(v);
    return flat;
  };
  const auto whole = gradients(0, 7), a = gradients(0, 4), b = gradients(4, 3), none = gradients(7, 0);
  for (std::size_t i = 0; i < whole.size(); ++i) REQUIRE(a[i] + b[i] + none[i] == whole[i]);
}
