#include <tutti/comm/relay_execution.hpp>

#include <doctest/doctest.h>

#include <random>
#include <string>

#include "../transport/boards.hpp"
#include "simulate.hpp"

using namespace tutti;

namespace {

// Calls `c` on all ranks by what each shows, `room` bytes in a round, in an order
// drawn from the seed.
template <class T, class Op>
class relayed_call {
 public:
  simulate::outcome result;
  simulate::memories<T> memories;

  relayed_call(call_shape c, int ranks, std::uint64_t seed, std::size_t room, bool streams)
      : memories((c.element = sizeof(T), c), ranks), fold_(fold_function_of<T>(op_)), all_(static_cast<std::size_t>(ranks)) {
    const auto p = static_cast<std::size_t>(ranks);
    std::mt19937_64 random(seed);
    const detail::direct_forms forms(c, {ranks});
    std::vector<direct_program> team;
    for (int r = 0; r < ranks; ++r) team.push_back(forms.of({r}).value());
    std::vector<relay_program> programs(p);
    std::vector<relay_execution> runs(p);
    std::vector<billboard> boards;
    for (std::size_t r = 0; r < p; ++r) {
      programs[r] = relay(team, static_cast<int>(r), room, sizeof(T)).value();
      programs[r].streams = streams;
      result.bytes_billed += programs[r].sent_bytes;
      boards.push_back(all_.of(r));
    }
    const call what{.number = 1};
    const envelope mark{.fingerprint = 7, .what = &what};
    std::vector<char> shown(p);
    for (std::size_t r = 0; r < p; ++r) runs[r].start(programs[r], boards[r], memories.input(r), memories.output(r));
    for (std::size_t left = p; left > 0;) {
      const std::size_t r = random() % p;
      if (runs[r].done()) continue;
      if (!std::exchange(shown[r], 1)) {
        runs[r].show();
        boards[r].begin();
        boards[r].show({}, mark);
        continue;
      }
      bool all_seen = true;
      for (std::size_t q = 0; q < p; ++q) all_seen &= q == r || boards[r].seen(static_cast<int>(q));
      if (!all_seen) continue;
      runs[r].round_is_done();
      CHECK(runs[r].under_way());
      runs[r].progress(sizeof(T), fold_, [&](int, std::size_t bytes) { result.bytes_sent += bytes; });
      CHECK_FALSE(runs[r].under_way());
      shown[r] = 0;
      left -= runs[r].done();
    }
    result.wrong = memories.wrong(c, op_);
  }

 private:
  const Op op_{};
  fold_function fold_;
  boards all_;
};

call_shape shape(collective what, std::size_t count, int ranks) {
  return {.what = what, .count = count, .root = rooted(what) ? ranks / 2 : -1, .algorithm = what == collective::broadcast ? algorithm::linear : direct_algorithm(what, {ranks})};
}

constexpr collective relayed_ones[] = {collective::all_reduce, collective::reduce_scatter, collective::all_gather,
                                       collective::all_to_all, collective::broadcast};

}  // namespace

TEST_CASE("every collective that is shown piece by piece does what it promises, in whatever order ranks run, and sends what it bills") {
  const std::uint64_t seed = 20261122;
  MESSAGE("seed " << seed);
  for (collective what : relayed_ones)
    for (int ranks : {2, 3, 4, 5, 8, 32})
      for (std::size_t count : {0u, 1u, 7u, 700u, 5011u})
        for (std::size_t room : {std::size_t{64} * static_cast<std::size_t>(ranks), board_memory::page_bytes})
          for (bool streams : {false, true}) {
            if (ranks > (count > 700 ? 4 : count > 7 ? 8 : 32)) continue;
            INFO(name_of(what) << ", ranks " << ranks << ", count " << count << ", room " << room << (streams ? ", streaming" : ""));
            const auto ordered = relayed_call<simulate::affine, simulate::compose>(shape(what, count, ranks), ranks, seed, room, streams).result;
            CHECK(ordered.wrong == "");
            CHECK(ordered.bytes_sent == ordered.bytes_billed);
          }
}

TEST_CASE("an all_to_all in place needs no other memory than what is shown") {
  call_shape c = shape(collective::all_to_all, 500, 3);
  c.in_place = true;
  // What is given is in the output, and has been replaced.
  CHECK(relayed_call<std::int64_t, plus>(c, 3, 5, 64 * 3, false).result.wrong == "");
}

namespace {
// Floats whose sum depends on the order.
struct fraction {
  float value = 0;
  friend bool operator==(fraction, fraction) = default;
};
struct add_fractions {
  fraction operator()(fraction a, fraction b) const { return {a.value + b.value}; }
};
}  // namespace

namespace simulate {
template <>
inline fraction operand<fraction>(int rank, std::size_t i) {
  return {1.0f / static_cast<float>(3 + (i * 7 + static_cast<std::size_t>(rank) * 13) % 97)};
}
}  // namespace simulate

TEST_CASE("law 2: the same bits however long the pieces are, streaming or not, and as the schedule's steps give one by one") {
  call_shape c = shape(collective::all_reduce, 3001, 5);
  c.element = sizeof(fraction);
  const add_fractions op;
  simulated_network net(5, 3);
  std::vector<simulate::member<fraction>> steps(5);
  for (std::size_t r = 0; r < 5; ++r) {
    for (std::size_t i = 0; i < c.count; ++i) steps[r].input.push_back(simulate::operand<fraction>(static_cast<int>(r), i));
    steps[r].output.resize(c.count);
    steps[r].start(c, {5}, static_cast<int>(r), fold_function_of<fraction>(op), {}, false);
  }
  REQUIRE(simulate::drive(net, steps));
  for (std::size_t room : {std::size_t{320}, std::size_t{5000}, board_memory::page_bytes})
    for (bool streams : {false, true}) {
      const relayed_call<fraction, add_fractions> relayed(c, 5, room, room, streams);
      for (std::size_t r = 0; r < 5; ++r) CHECK(relayed.memories.outputs[r] == steps[r].output);
    }
}

TEST_CASE("memory for one program is enough for another that is no longer, and the last must not be looked at once it is gone") {
  boards all(3);
  billboard board = all.of(0);
  std::byte memory[2000];
  std::optional<relay_program> first = detail::prepare_relayed({.count = 30000, .element = 4, .algorithm = algorithm::two_shot}, {3}, {0});
  std::optional<relay_program> longer = detail::prepare_relayed({.count = 30000, .element = 4, .algorithm = algorithm::two_shot}, {6}, {0});
  REQUIRE((first && longer));
  relay_execution e;
  CHECK_FALSE(e.has_room_for(*first));
  e.start(*first, board, memory, memory);
  CHECK(e.has_room_for(*first));
  CHECK_FALSE(e.has_room_for(*longer));
  CHECK_FALSE(e.done());
  CHECK_FALSE(e.under_way());
  e.forget(longer);
  e.forget(first);
}
