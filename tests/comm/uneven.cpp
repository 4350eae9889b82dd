#include <tutti/comm/uneven.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <limits>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>

#include "thread_ranks.hpp"

using namespace tutti;

// Results on every link and by every algorithm: uneven_cases.hpp.

TEST_CASE("counts that cannot be are refused before anything is sent, and it is said why") {
  thread_ranks::run(2, [](communicator& c) {
    using numbers = std::vector<int>;
    using counts_of = std::vector<std::size_t>;
    const std::size_t huge = std::numeric_limits<std::size_t>::max();
    const counts_of equal{3, 3}, more{3, 4}, many{3, 3, 3}, wraps{huge, 4}, none{};
    numbers three(3), four(4), six(6);
    bool all = true;
    auto refused = [&](auto call, const char* text) {
      try {
        call();
        all = false;
      } catch (const error& e) {
        const std::string want = format("rank %d: ", c.rank()) + text;
        if (e.code() != errc::invalid_argument || e.rank() != c.rank() || e.what() != want)
          throw error(errc::invalid_argument, format("got '%s', wanted '%s'", e.what(), want.c_str()));
      }
    };
    refused([&] { all_gather_v(c, three, six, many); }, "all_gather_v: there must be a count for each rank (3 and 2)");
    refused([&] { all_gather_v(c, three, six, span<const std::size_t>(nullptr, 2)); }, "all_gather_v: a null pointer with 2 elements");
    refused([&] { all_gather_v(c, three, six, wraps); },
            "all_gather_v: the counts add up to more than a number holds (18446744073709551615 and 4)");
    refused([&] { all_gather_v(c, three, six, more); },
            "all_gather_v: the buffer of all blocks must hold as many elements as the counts add up to (6 and 7)");
    refused([&] { all_gather_v(c, four, six, equal); },
            "all_gather_v: the buffer of this rank's block must hold as many elements as its count says (4 and 3)");
    refused([&] { all_gather_v(c, three, span<int>(nullptr, 6), equal); }, "all_gather_v: a null pointer with 6 elements");
    refused([&] { all_gather_v_async(c, span<int>(nullptr, 3), six, equal); }, "all_gather_v: a null pointer with 3 elements");
    refused([&] { all_gather_v(c, span<int>(six).subspan(1, 3), six, equal); },
            "all_gather_v: input and output overlap, but are not in place");
    refused([&] { reduce_scatter_v(c, six, three, none); }, "reduce_scatter_v: there must be a count for each rank (0 and 2)");
    refused([&] { reduce_scatter_v_async(c, six, four, equal); },
            "reduce_scatter_v: the buffer of this rank's block must hold as many elements as its count says (4 and 3)");
    refused([&] { reduce_scatter_v(c, six, span<int>(six).subspan(1, 3), equal); },
            "reduce_scatter_v: input and output overlap, but are not in place");
    refused([&] { gather_v(c, three, six, equal, 2); }, "gather_v: root 2 is not a rank from 0 to 1");
    refused([&] { gather_v(c, three, six, none, c.rank()); }, "gather_v: there must be a count for each rank (0 and 2)");
    refused([&] { gather_v(c, span<int>(nullptr, 1), six, none, 1 - c.rank()); }, "gather_v: a null pointer with 1 elements");
    refused([&] { gather_v(c, four, six, equal, c.rank()); },
            "gather_v: the buffer of this rank's block must hold as many elements as its count says (4 and 3)");
    refused([&] { gather_v(c, span<int>(six).subspan(1, 3), six, equal, c.rank()); },
            "gather_v: input and output overlap, but are not in place");
    refused([&] { scatter_v(c, six, three, equal, -1); }, "scatter_v: root -1 is not a rank from 0 to 1");
    refused([&] { scatter_v_async(c, four, three, equal, c.rank()); },
            "scatter_v: the buffer of all blocks must hold as many elements as the counts add up to (4 and 6)");
    refused([&] { scatter_v(c, six, span<int>(nullptr, 1), none, 1 - c.rank()); }, "scatter_v: a null pointer with 1 elements");
    refused([&] { all_to_all_v(c, six, equal, four, equal); },
            "all_to_all_v: the output must hold as many elements as its counts add up to (4 and 6)");
    refused([&] { all_to_all_v(c, three, equal, six, equal); },
            "all_to_all_v: the input must hold as many elements as its counts add up to (3 and 6)");
    refused([&] { all_to_all_v(c, six, equal, six, many); }, "all_to_all_v: there must be a count for each rank (3 and 2)");
    refused([&] { all_to_all_v_async(c, span<int>(nullptr, 6), equal, six, equal); }, "all_to_all_v: a null pointer with 6 elements");
    const counts_of mine = c.rank() ? counts_of{4, 2} : counts_of{2, 4};
    refused([&] { all_to_all_v(c, six, mine, numbers(6), equal); },
            "all_to_all_v: this rank must send itself as many elements as it expects (2 and 3)");
    numbers eight(8);
    refused([&] { all_to_all_v(c, span<int>(eight).subspan(0, 6), equal, span<int>(eight).subspan(2, 6), equal); },
            "all_to_all_v: input and output overlap, but are not in place");
    bool named = false;
    try {
      all_to_all_v(c, six, equal, numbers(6), equal, {.algorithm = algorithm::bruck});
    } catch (const error& e) {
      named = std::string(e.what()) == "all_to_all_v has no algorithm bruck";
    }
    all &= named;
    if (!all) throw error(errc::invalid_argument, "something was not refused");
    all_gather_v(c, three, six, equal);  // and the communicator is as good as before
  });
}

TEST_CASE("counts may go as soon as the call has returned, also where it is under way") {
  thread_ranks::run(3, [](communicator& c) {
    std::vector<int> mine(static_cast<std::size_t>(c.rank()), c.rank()), all(3, 9);
    std::vector<request> under_way;
    std::vector<std::vector<int>> results(20, all);
    for (std::vector<int>& result : results) {
      std::vector<std::size_t> counts{0, 1, 2};
      under_way.push_back(all_gather_v_async(c, mine, result, counts));
      counts.assign(3, 77);
    }
    for (request& r : under_way) r.wait();
    for (const std::vector<int>& result : results)
      if (result != std::vector<int>{1, 2, 2}) throw error(errc::data, "another result");
  });
}

TEST_CASE("a mismatch of every kind names both ranks and what each of them counts") {
  struct expected {
    const char* wrong;
    int ranks;
    std::string text;
  };
  const expected all[] = {
      {"gather", 3, "; rank 1 sends 3 elements to rank 0, which expects 2"},
      {"scatter", 3, "; rank 0 sends 2 elements to rank 1, which expects 3"},
      {"pair", 3, "; rank 1 sends 3 elements to rank 2, which expects 2"},
      {"pair", 2, "; rank 1 sends 3 elements to rank 0, which expects 2"},
  };
  for (const expected& e : all) {
    INFO(std::string(e.wrong), ", ", e.ranks);
    std::atomic<int> told{0};
    try {
      thread_ranks::run(e.ranks, [&](communicator& c) {
        const auto p = static_cast<std::size_t>(c.size());
        const bool me = c.rank() == 1;
        const std::string wrong = e.wrong;
        const std::vector<std::size_t> counts(p, 2);
        std::vector<std::size_t> mine = counts;
        std::vector<int> own(2 + (me && wrong != "pair")), whole(2 * p, 7), out = whole;
        try {
          if (wrong == "gather") gather_v(c, own, out, counts, 0);
          if (wrong == "scatter") scatter_v(c, whole, own, counts, 0);
          if (wrong == "pair") {
            if (me) ++mine[p - 1 == 1 ? 0 : p - 1], whole.push_back(1);
            all_to_all_v(c, whole, mine, out, counts);
          }
          barrier(c);
        } catch (const error& what) {
          const bool right = what.code() == errc::mismatch && std::string(what.what()).find(e.text) != std::string::npos;
          told += right && out == std::vector<int>(2 * p, 7);
          throw;
        }
      });
      CHECK(false);
    } catch (const error& what) {
      INFO(what.what());
      CHECK(told == e.ranks);
    }
  }
}
