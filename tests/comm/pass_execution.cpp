#include <tutti/comm/pass_execution.hpp>

#include <doctest/doctest.h>

#include <numeric>

using namespace tutti;

namespace {

struct concatenate {
  std::uint64_t operator()(std::uint64_t a, std::uint64_t b) const { return a * 10 + b; }
};

void run(pass_execution& passes, const direct_pass& p, const std::vector<std::vector<std::uint64_t>>& in, std::vector<std::vector<std::uint64_t>>& out,
         const fold_function& fold, std::size_t streamed) {
  passes.make_room(in.size() + out.size());
  for (std::size_t k = 0; k < in.size(); ++k) passes.source(k) = in[k].data();
  for (std::size_t t = 0; t < out.size(); ++t) passes.target(t) = out[t].data();
  passes.run(p, p.bytes, sizeof(std::uint64_t), fold, streamed);
  end_streaming();
}

}  // namespace

TEST_CASE("a pass folds its sources in their order into all targets, or copies the only one, however many go past the caches") {
  constexpr std::size_t n = 1003;
  const concatenate op;
  // In another type, which here is the same, the result must be too.
  const widening same{.element = sizeof(std::uint64_t),
                      .widen = [](void* to, const void* from, std::size_t count) { std::memcpy(to, from, count * sizeof(std::uint64_t)); },
                      .narrow = [](void* to, const void* from, std::size_t count) { std::memcpy(to, from, count * sizeof(std::uint64_t)); }};
  pass_execution passes;
  for (std::size_t sources : {1u, 2u, 4u, 5u})
    for (std::size_t targets : {1u, 2u, 3u})
      for (std::size_t streamed = 0; streamed <= targets; ++streamed)
        for (const widening* wider : {static_cast<const widening*>(nullptr), &same}) {
          CAPTURE(sources);
          CAPTURE(targets);
          CAPTURE(streamed);
          std::vector<std::vector<std::uint64_t>> in(sources, std::vector<std::uint64_t>(n)), out(targets, std::vector<std::uint64_t>(n + 1, 77));
          for (std::size_t k = 0; k < sources; ++k) std::iota(in[k].begin(), in[k].end(), k);
          const auto lefts = static_cast<std::uint32_t>(sources / 2);
          fold_function fold = fold_function_of<std::uint64_t>(op);
          fold.wider = wider;
          run(passes, {.sources = static_cast<std::uint32_t>(sources), .lefts = lefts, .targets = static_cast<std::uint32_t>(targets), .bytes = n * sizeof(std::uint64_t)},
              in, out, fold, streamed);
          std::size_t wrong = 0;
          for (std::size_t i = 0; i < n; ++i) {
            std::uint64_t want = in[0][i];
            for (std::size_t k = 1; k < sources; ++k) want = k <= lefts ? op(in[k][i], want) : op(want, in[k][i]);
            for (const auto& one : out) wrong += one[i] != want;
          }
          for (const auto& one : out) wrong += one[n] != 77;
          CHECK(wrong == 0);
        }
}

TEST_CASE("room is made for the most places that were asked for") {
  pass_execution passes;
  CHECK(passes.has_room_for(0));
  passes.make_room(5);
  passes.make_room(3);
  CHECK(passes.has_room_for(5));
  CHECK_FALSE(passes.has_room_for(6));
}
