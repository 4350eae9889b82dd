#include <tutti/comm/exchanges.hpp>

#include <doctest/doctest.h>

#include "../need.hpp"
#include "thread_ranks.hpp"

using namespace tutti;
using tests::need;

// Results on every link and by every algorithm: cases.hpp.

TEST_CASE("the plan of a gather or a scatter says what this rank sends, and what it needs") {
  thread_ranks::run(4, [&](communicator& c) {
    auto asked = [&](collective what, algorithm how) {
      return c.plan_for({.what = what, .count = 100000, .element = 4, .root = 1, .algorithm = how});
    };
    const std::size_t block = 400000;
    const int label = (c.rank() + 3) % 4;
    const std::size_t subtree[4] = {0, block, 2 * block, block};
    need(asked(collective::gather, algorithm::linear).bytes_sent == (c.rank() == 1 ? 0 : block), "linear gather");
    need(asked(collective::scatter, algorithm::linear).bytes_sent == (c.rank() == 1 ? 3 * block : 0), "linear scatter");
    need(asked(collective::gather, algorithm::tree).bytes_sent == subtree[label], "tree gather");
    for (collective what : {collective::gather, collective::scatter}) {
      need(asked(what, algorithm::linear).scratch_bytes == 0, "scratch, linear");
      need(asked(what, algorithm::tree).scratch_bytes == (label == 2 ? block : 0), "scratch, tree");
    }
  });
}
