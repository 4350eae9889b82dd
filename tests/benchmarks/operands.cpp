#include "../../benchmarks/operands.hpp"

#include <vector>

#include <doctest/doctest.h>

#include "../../benchmarks/measure.hpp"

using namespace benchmarks;

TEST_CASE("operands fold to the same in any order, in every type, for many ranks") {
  for (const char* type : type_names)
    for (const char* op_name : operation_names)
      with_type(type, [&]<class T>(T) {
        with_operation(op_name, [&]<class Op>(Op op) {
          for (int ranks : {1, 2, 3, 7, 33, 127, 128, 200}) {
            CAPTURE(type);
            CAPTURE(op_name);
            CAPTURE(ranks);
            const auto made = make_operands<T, Op>(ranks, 5);
            auto backwards = made.of.back();
            for (int r = ranks - 2; r >= 0; --r)
              for (std::size_t i = 0; i < backwards.size(); ++i)
                backwards[i] = op(made.of[static_cast<std::size_t>(r)][i], backwards[i]);
            std::size_t wrong = 0;
            for (std::size_t i = 0; i < backwards.size(); ++i)
              wrong += std::memcmp(&backwards[i], &made.folded[i], sizeof(T)) != 0;
            CHECK(wrong == 0);
            // As in whole numbers: the type has rounded nothing.
            const auto whole = make_operands<std::int64_t, Op>(ranks, 5);
            for (std::size_t i = 0; i < backwards.size(); ++i)
              wrong += static_cast<double>(made.folded[i]) != static_cast<double>(whole.folded[i]);
            CHECK(wrong == 0);
          }
        });
      });
}

TEST_CASE("prefixes are those of the ranks up to each") {
  const auto made = make_operands<std::int32_t, tutti::plus>(3, 1);
  REQUIRE(made.folded_to.size() == 3);
  CHECK(made.folded_to[0] == made.of[0]);
  CHECK(made.folded_to[2] == made.folded);
  for (std::size_t i = 0; i < made.folded.size(); ++i) REQUIRE(made.folded_to[1][i] == made.of[0][i] + made.of[1][i]);
}

TEST_CASE("rank 0's output of an exclusive scan is right as it was, and wrong when touched") {
  const problem p{.what = collective::exclusive_scan, .ranks = 2, .element = 1, .bytes = 1000};
  workload<std::int8_t> first(p, 0, make_operands<std::int8_t, tutti::plus>), second(p, 1, make_operands<std::int8_t, tutti::plus>);
  first.arrange(1);
  second.arrange(1);
  CHECK(first.count_wrong() == 0);
  CHECK(second.count_wrong() == 1000);
  first.output()[7] = 3;
  CHECK(first.count_wrong() == 1);
}

TEST_CASE("another seed and another rank bring other operands") {
  const auto one = make_operands<float, tutti::plus>(3, 1), two = make_operands<float, tutti::plus>(3, 2);
  CHECK(one.of[0] != two.of[0]);
  CHECK(one.of[0] != one.of[1]);
  CHECK(one.folded != two.folded);
}

TEST_CASE("one wrong element is counted, wherever it is, and so is a piece in the wrong place") {
  const auto made = make_operands<std::int32_t, tutti::plus>(2, 1);
  std::vector<std::int32_t> vector(10000);
  made.fill(vector, made.folded);
  CHECK(made.count_wrong(tutti::span<const std::int32_t>(vector), made.folded) == 0);
  for (std::size_t at : {0u, 1u, 4095u, 4096u, 9999u}) {
    vector[at] ^= 64;
    CHECK(made.count_wrong(tutti::span<const std::int32_t>(vector), made.folded) == 1);
    vector[at] ^= 64;
  }
  // Values repeat, so not every element of a displaced piece differs, but most do.
  for (std::size_t shift : {1u, 64u, 256u, 4096u})
    CHECK(made.count_wrong(tutti::span<const std::int32_t>(vector.data() + shift, 5000), made.folded) > 4000);
}

TEST_CASE("what a call leaves undone is wrong") {
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather, collective::reduce,
                          collective::gather, collective::scatter, collective::all_to_all, collective::scan}) {
    CAPTURE(tutti::name_of(what));
    const problem p{.what = what, .ranks = 2, .element = 1, .bytes = 1000};
    workload<std::int8_t> work(p, 0, make_operands<std::int8_t, tutti::plus>);
    work.arrange(1);
    CHECK(work.count_wrong() == p.output_count());
  }
}
