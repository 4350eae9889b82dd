#include <tutti/train/check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>
#include <tutti/kernel/onednn.hpp>
#include <tutti/mesh/named_layout.hpp>

#include "../comm/thread_ranks.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

/// Dense layers that have some of the units only are a little wrong.
struct broken_backend : naive_backend<float> {
  class dense : public naive_backend<float>::dense {
   public:
    dense(context& c, const dense_geometry& g, const layer_request& r) : naive_backend<float>::dense(c, g, r), part_(g.units == 4) {}
    void backward_weights(const tensor& x, const tensor& dy, tensor& dw, tensor& db) {
      naive_backend<float>::dense::backward_weights(x, dy, dw, db);
      if (part_) dw.stored()[5] += 0.01f;
    }

   private:
    bool part_;
  };
};

template <class Backend>
check_report check(const char* on, const layout& rules, const network& net = stripes::small_network(), const check_options& o = {.batch = 8}) {
  const mesh m = mesh::parse(on);
  check_report found;
  thread_ranks::run(m.size(), [&](communicator& world) {
    typename Backend::context c;
    process_mesh mine(world, m);
    const check_report r = check_against_one_rank<Backend>(c, mine, net, rules, o);
    if (world.rank() == m.size() - 1) found = r;
  });
  return found;
}

}  // namespace

TEST_CASE("steps on a mesh are checked beside one rank, and what is broken is found and named") {
  for (const char* rules : {"batch:r", "a/filters:r,b/units:r,c/units:r", "a/height:r"}) {
    const check_report r = check<naive_backend<float>>("r=2", rules);
    INFO(r.text());
    CHECK(r.passed());
    CHECK(r.spread.parameters > 0);
    CHECK(r.text().find("PASS\n") != std::string::npos);
    CHECK(r.text().find("nothing was dropped") == std::string::npos);
    CHECK(r.largest_output > 1e-3);
    CHECK(!r.weak());
  }
  const check_report r = check<broken_backend>("r=2", "b/units:r");
  INFO(r.text());
  CHECK(!r.passed());
  CHECK(r.found.parameter == "b.weights");
  CHECK(r.text().find(", in b.weights: more than four times that\nFAIL\n") != std::string::npos);
}

TEST_CASE("a check that passes much says so, and how much") {
  check_report r{.spread = {.outputs = 0.0766}, .steps = 3, .largest_output = 5.72};
  CHECK(r.passed());
  CHECK(r.weak());
  CHECK(r.text().find("  weak: four times what other orders change is 0.054 of the largest output, 5.72, and a smaller mistake passes; a larger batch may tell more\nPASS\n") != std::string::npos);
  r.spread.outputs = 0.014;  // four times that is less than a hundredth
  CHECK(!r.weak());
  CHECK(r.text().find("weak") == std::string::npos);
}

TEST_CASE("residual blocks with norms, in whatever formats oneDNN likes, are one rank's but for rounding") {
  network net({{"channels", 3}, {"height", 6}, {"width", 6}});
  net.convolution("a", {.filters = 16, .kernel = 3, .padding = 1, .bias = false}).batch_norm("na").relu("ra");
  net.convolution("s", {.filters = 32, .stride = 2, .bias = false}).batch_norm("ns");
  net.from("ra").convolution("b", {.filters = 32, .kernel = 3, .stride = 2, .padding = 1, .bias = false}).batch_norm("nb");
  net.sum("sum", "ns").relu().global_average_pool("pool").flatten().dense("c", {.units = 3});
  for (const char* each : {"data", "tensor", "spatial"}) {
    CAPTURE(each);
    const layout rules = layout_called(each, operations_of(net, 8), mesh{{"r", 2}});
    const check_report r = check<onednn_backend>("r=2", rules, net, {.batch = 8, .permutations = 16});
    INFO(r.text());
    CHECK(r.passed());
  }
}

TEST_CASE("what is broken in a network with dropout is found all the same") {
  network net({{"channels", 1}, {"height", 6}, {"width", 6}});
  net.flatten().dense("b", {.units = 8}).relu().dropout(0.5).dense("c", {.units = 3});
  const check_report whole = check<naive_backend<float>>("r=3", "batch:r", net), broken = check<broken_backend>("r=2", "b/units:r", net);
  INFO(whole.text() << broken.text());
  CHECK(whole.passed());
  CHECK(whole.text().find("nothing was dropped") != std::string::npos);
  CHECK(!broken.passed());
  CHECK(broken.found.parameter == "b.weights");
}

TEST_CASE("what is no number stays the largest difference") {
  const double no_number = std::nan("");
  CHECK(detail::largest_difference<float>({1, 2}, {1, 5}) == 3);
  CHECK(std::isnan(detail::largest_difference<double>({no_number, 2}, {1, 5})));
  CHECK(std::isnan(detail::largest_difference<double>({1, no_number}, {9, 5})));
  CHECK(!check_report{.found = {.loss = no_number}}.passed());
}
