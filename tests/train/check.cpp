#include <tutti/train/check.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <tutti/kernel/naive_backend.hpp>

#include "../comm/thread_ranks.hpp"
#include "stripes.hpp"

using namespace tutti;

namespace {

/// Dense layers that have some of the units only are a little wrong.
struct broken_backend : naive_backend<float> {
  class dense : public naive_backend<float>::dense {
   public:
    dense(context& c, const dense_geometry& g, const layer_request& r) : naive_backend<float>::dense(c, g, r), part_(g.units == 4) {}
    void backward(const tensor& x, const tensor& w, const tensor& y, tensor& dy, tensor* dx, tensor& dw, tensor& db) {
      naive_backend<float>::dense::backward(x, w, y, dy, dx, dw, db);
      if (part_) dw.stored()[5] += 0.01f;
    }

   private:
    bool part_;
  };
};

template <class Backend>
check_report check(const char* on, const char* rules, const network& net = stripes::small_network()) {
  const mesh m = mesh::parse(on);
  check_report found;
  thread_ranks::run(m.size(), [&](communicator& world) {
    typename Backend::context c;
    process_mesh mine(world, m);
    const check_report r = check_against_one_rank<Backend>(c, mine, net, rules, {.batch = 8});
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
  }
  const check_report r = check<broken_backend>("r=2", "b/units:r");
  INFO(r.text());
  CHECK(!r.passed());
  CHECK(r.found.parameter == "b.weights");
  CHECK(r.text().find(", in b.weights: more than four times that\nFAIL\n") != std::string::npos);
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
