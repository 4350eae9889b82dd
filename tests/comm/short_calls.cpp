#include <tutti/comm/ready_calls.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include <tutti/comm/plan.hpp>
#include <tutti/transport/loopback.hpp>

#include "../transport/boards.hpp"

using namespace tutti;

namespace {

// Nothing but a billboard joins these.
class board_link final : public link {
 public:
  board_link(boards& all, int me) : me_(me), board_(all.of(static_cast<std::size_t>(me))) { port_.counted = &counted; }
  send_port& to(int) override { return port_; }
  recv_port& from(int) override { throw std::logic_error("nothing is received"); }
  link_kind kind(int peer) const override { return peer == me_ ? link_kind::self : link_kind::loopback; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }
  billboard* board() override { return &board_; }
  traffic_tally counted;

 private:
  struct no_port final : send_port {
    std::ptrdiff_t send(const std::byte*, std::size_t, const envelope&) override { throw std::logic_error("nothing is sent"); }
  };
  int me_;
  billboard board_;
  no_port port_;
  rank_status status_;
};

struct one_rank {
  one_rank(boards& all, loopback_fabric::world& world, int rank, int ranks)
      : me(rank), size(ranks), joined(world), queue(std::make_unique<board_link>(all, rank), std::vector<int>(static_cast<std::size_t>(ranks))), calls(joined, queue) {
    queue.counts = &counts;
  }
  // As call `number` of a history of calls that are all alike.
  ready_calls::outcome run(call_shape c, std::uint64_t number, std::vector<int>& in, std::vector<int>& out, std::uint64_t history = 1) {
    c.element = sizeof(int);
    c.algorithm = algorithm::linear;
    auto& p = plans.emplace_back(prepare(c, {size}, {me}, algorithm::automatic, true));
    REQUIRE(calls.takes(*p));
    return calls.run({*p, number, 2 * number + history, reinterpret_cast<const std::byte*>(in.data()), reinterpret_cast<std::byte*>(out.data())}, 0);
  }
  traffic sent() const { return static_cast<board_link&>(const_cast<operation_queue&>(queue).channels()).counted.read(); }

  int me, size;
  loopback_fabric joined;
  detail::counter_block counts;
  operation_queue queue;
  ready_calls calls;
  std::vector<std::unique_ptr<prepared_call>> plans;
};

struct three_ranks {
  boards all{3};
  loopback_fabric::world world;
  one_rank ranks[3] = {{all, world, 0, 3}, {all, world, 1, 3}, {all, world, 2, 3}};
};

using how = ready_calls::outcome;

}  // namespace

TEST_CASE("calls with a root and no folds are done once all is there, and those alone are taken") {
  for (const std::size_t n : {0u, 1u, 2u, 9u, 300u}) {
    CAPTURE(n);
    three_ranks w;
    std::vector<int> whole(3 * n), parts[3], got[3], back(3 * n), none;
    for (std::size_t i = 0; i < whole.size(); ++i) whole[i] = static_cast<int>(7 * i + 1);
    for (auto& one : got) one.assign(n, -1);
    const call_shape scatter{.what = collective::scatter, .count = n, .root = 1}, gather{.what = collective::gather, .count = n, .root = 2};
    CHECK(w.ranks[0].run(scatter, 1, none, got[0]) == how::not_ready);
    CHECK(w.ranks[1].run(scatter, 1, whole, got[1]) == how::done);
    for (int r : {2, 0}) CHECK(w.ranks[r].run(scatter, 1, none, got[r]) == how::done);
    CHECK(w.ranks[0].run(gather, 2, got[0], none) == how::done);
    CHECK(w.ranks[2].run(gather, 2, got[2], back) == how::not_ready);
    CHECK(w.ranks[1].run(gather, 2, got[1], none) == how::done);
    CHECK(w.ranks[2].run(gather, 2, got[2], back) == how::done);
    CHECK(back == whole);
    const call_shape broadcast{.what = collective::broadcast, .count = 3 * n, .root = 2};
    std::vector<int> copies[2];
    for (auto& one : copies) one.assign(3 * n, -1);
    CHECK(w.ranks[2].run(broadcast, 3, back, back) == how::done);
    for (int r : {0, 1}) CHECK(w.ranks[r].run(broadcast, 3, copies[r], copies[r]) == how::done);
    for (auto& one : copies) CHECK(one == whole);
    for (const one_rank& r : w.ranks) {
      traffic all;
      const statistics s = r.counts.read();
      for (collective what : {collective::scatter, collective::gather, collective::broadcast}) {
        CHECK(s.of(what).done == 1);
        all += s.of(what).sent;
      }
      CHECK(all == r.sent());
      CHECK(all.bytes == (r.me == 1 ? 3 * n : r.me == 2 ? 6 * n : n) * sizeof(int));
      const auto last = r.queue.recorder().read();
      REQUIRE(last.size() == 3);
      for (std::size_t i = 0; i < 3; ++i) {
        CHECK(last[i].number == i + 1);
        CHECK(last[i].is == operation_record::state::done);
      }
      CHECK(std::string(last[0].what.kind) == "scatter");
    }
  }
  three_ranks w;
  for (const collective what : {collective::all_gather, collective::barrier})
    CHECK_FALSE(w.ranks[0].calls.takes(*prepare({.what = what, .count = 1, .algorithm = what == collective::barrier ? algorithm::dissemination : algorithm::pairwise}, {3}, {0}, algorithm::automatic, true)));
  const call_shape reduce{.what = collective::reduce, .count = 1, .element = 4, .root = 0, .algorithm = algorithm::linear};
  CHECK_FALSE(w.ranks[0].calls.takes(*prepare(reduce, {3}, {0}, algorithm::automatic, true)));
  CHECK(w.ranks[1].calls.takes(*prepare(reduce, {3}, {1}, algorithm::automatic, true)));
}

TEST_CASE("what is not ready, or another call, is left as it was; who runs ahead does so as far as there is room") {
  three_ranks w;
  std::vector<int> values(3), got(3, -1);
  const call_shape broadcast{.what = collective::broadcast, .count = 3, .root = 0};
  std::uint64_t shown = 0;
  for (values[0] = 1; w.ranks[0].run(broadcast, shown + 1, values, values) == how::done; ++values[0]) ++shown;
  CHECK(shown == board_memory::lines);
  CHECK(w.ranks[1].run(broadcast, 1, got, got, 2) == how::not_ready);  // another history
  CHECK(got[0] == -1);
  CHECK(w.ranks[1].queue.recorder().read().empty());
  CHECK(w.ranks[1].queue.channels().status().entered == 0);
  for (std::uint64_t number = 1; number <= shown; ++number) {
    CHECK(w.ranks[1].run(broadcast, number, got, got) == how::done);
    CHECK(got[0] == static_cast<int>(number));
  }
  CHECK(w.ranks[1].run(broadcast, shown + 1, got, got) == how::not_ready);
  CHECK(w.ranks[0].run(broadcast, shown + 1, values, values) == how::not_ready);  // rank 2 has not come
  std::uint64_t passed = 0;
  while (w.ranks[0].run(broadcast, shown + 1, values, values) == how::not_ready) {
    REQUIRE(passed < shown);
    CHECK(w.ranks[2].run(broadcast, ++passed, got, got) == how::done);
  }
  CHECK(passed == 8);  // which is told every so often
}

TEST_CASE("a verdict cuts short what does not come before it, though it is ready") {
  three_ranks w;
  std::vector<int> values(3);
  const call_shape broadcast{.what = collective::broadcast, .count = 3, .root = 0};
  w.world.board.declare({.code = errc::rank_died, .rank = 2, .operation = operation_id(0, 2)});
  CHECK(w.ranks[0].run(broadcast, 1, values, values) == how::done);
  CHECK(w.ranks[0].run(broadcast, 2, values, values) == how::cut_short);
  CHECK(w.ranks[0].queue.recorder().read().size() == 1);
}
