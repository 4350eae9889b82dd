#include <tutti/comm/short_calls.hpp>

#include <doctest/doctest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/communicator_core.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/device/n_ary_fold.hpp>
#include <tutti/transport/loopback.hpp>

#include "../transport/boards.hpp"
#include "thread_ranks.hpp"

using namespace tutti;

namespace {
// What this thread does whenever it offers the processor to others.
thread_local std::function<void()>* when_yielding = nullptr;
}  // namespace

// In place of the system library's.
extern "C" int sched_yield() noexcept {
  if (when_yielding) return (*when_yielding)(), 0;
  return static_cast<int>(::syscall(SYS_sched_yield));
}

namespace {

// Nothing but a billboard joins these, and memory that they may lend.
class board_link final : public link {
 public:
  board_link(boards& all, int me) : me_(me), board_(all.of(static_cast<std::size_t>(me))) { port_.counted = &counted; }
  send_port& to(int) override { return port_; }
  recv_port& from(int) override { throw std::logic_error("nothing is received"); }
  link_kind kind(int peer) const override { return peer == me_ ? link_kind::self : link_kind::loopback; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }
  billboard* board() override { return &board_; }
  bool lends() const override { return true; }
  loan lend(const std::byte* data, std::size_t bytes) const override { return lends_now && bytes > 0 ? reinterpret_cast<loan>(data) : 0; }
  std::byte* borrowed(int, loan from) override {
    if (when_borrowing) std::exchange(when_borrowing, nullptr)();
    return others_live ? reinterpret_cast<std::byte*>(from) : nullptr;
  }
  traffic_tally counted;
  bool lends_now = true, others_live = true;
  std::function<void()> when_borrowing;  // once, after all have shown what they lend

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
  short_calls::outcome run(call_shape c, std::uint64_t number, std::vector<int>& in, std::vector<int>& out, std::uint64_t history = 1, fold_function f = {}) {
    c.element = sizeof(int);
    c.algorithm = c.what == collective::barrier ? algorithm::dissemination : shown_algorithm(c.what);
    const algorithm directly = direct_algorithm(c.what, {size});
    if (directly != algorithm::automatic && !may_show(c, {size}, c.algorithm)) c.algorithm = directly;
    auto& p = plans.emplace_back(prepare(c, {size}, {me}, directly, true));
    REQUIRE(calls.takes(*p));
    calls.make_room_for(*p);
    const short_calls::call_data data{*p, number, 2 * number + history, reinterpret_cast<const std::byte*>(in.data()), reinterpret_cast<std::byte*>(out.data()), f};
    const short_calls::outcome how = calls.run(data, 0, yields);
    going_on.take(*p);
    going_on.what.number = number;
    going_on.mark = {.fingerprint = data.fingerprint, .what = &going_on.what, .element = sizeof(int), .shape = p->shape};
    going_on.data = {.input = data.input, .output = data.output, .element = sizeof(int), .fold = f};
    if (how == short_calls::outcome::begun) going_on.resume(queue.channels(), calls.pages_were_free());
    if (how == short_calls::outcome::ending) going_on.resume_at_end(queue.channels(), queue.bill());
    return how;
  }
  // What was not ready, as an operation.
  void begin() { going_on.begin(queue.channels()); }
  // What was begun, as far as it goes; whether that is to its end.
  bool go_on() {
    for (int i = 0; i < 20; ++i)
      if (advance()) return true;
    return false;
  }
  board_link& channels() { return static_cast<board_link&>(queue.channels()); }
  bool advance() {
    board_link& peers = channels();
    if (!going_on.agreed) {
      going_on.progress(peers);
      if (!going_on.done() || !going_on.begin_body(peers)) return false;
    }
    if (going_on.passing()) going_on.pass(peers, queue.bill());
    if (going_on.passing()) return false;
    going_on.progress(peers);
    return going_on.done() && !going_on.goes_on();
  }
  traffic sent() const { return static_cast<board_link&>(const_cast<operation_queue&>(queue).channels()).counted.read(); }

  int me, size, yields = 0;
  loopback_fabric joined;
  detail::counter_block counts;
  operation_queue queue;
  short_calls calls;
  std::vector<std::unique_ptr<prepared_call>> plans;
  operation going_on;
};

struct three_ranks {
  boards all{3};
  loopback_fabric::world world;
  one_rank ranks[3] = {{all, world, 0, 3}, {all, world, 1, 3}, {all, world, 2, 3}};
};

using how = short_calls::outcome;

}  // namespace

TEST_CASE("calls with a root are done once all is there") {
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

namespace {
// The map x → a x + b in wrapping arithmetic, as two halves of a number; one after the
// other, which is associative and does not commute.
struct in_order {
  int operator()(int f, int g) const {
    const auto a = [](int h) { return static_cast<std::uint32_t>(h) >> 16; };
    const auto b = [](int h) { return static_cast<std::uint32_t>(h) & 0xffff; };
    return static_cast<int>((a(f) * a(g)) << 16 | ((a(g) * b(f) + b(g)) & 0xffff));
  }
};
constexpr in_order ordered{};
}  // namespace

TEST_CASE("where all look at all, who comes last is done at once, and the others go on as operations") {
  for (const collective what : {collective::all_reduce, collective::reduce_scatter, collective::all_gather, collective::all_to_all, collective::barrier})
    for (const std::size_t n : {0u, 1u, 2u, 9u, 300u}) {
      CAPTURE(name_of(what));
      CAPTURE(n);
      three_ranks w;
      const bool cut = what == collective::reduce_scatter || what == collective::all_to_all, joined = what == collective::all_gather || what == collective::all_to_all;
      const auto value = [](int rank, std::size_t i) { return static_cast<int>(1000003u * static_cast<unsigned>(rank + 1) + 17u * static_cast<unsigned>(i)); };
      std::vector<int> in[3], out[3];
      for (int r = 0; r < 3; ++r) {
        in[r].resize(cut ? 3 * n : n);
        for (std::size_t i = 0; i < in[r].size(); ++i) in[r][i] = value(r, i);
        out[r].assign(joined ? 3 * n : n, -1);
      }
      const call_shape shape{.what = what, .count = what == collective::barrier ? 0 : n, .commutative = false};
      const fold_function f = fold_function_of<int>(ordered);
      CHECK(w.ranks[2].run(shape, 1, in[2], out[2], 1, f) == how::begun);
      CHECK_FALSE(w.ranks[2].go_on());
      CHECK(w.ranks[0].run(shape, 1, in[0], out[0], 1, f) == how::begun);
      CHECK_FALSE(w.ranks[0].go_on());
      CHECK(w.ranks[1].run(shape, 1, in[1], out[1], 1, f) == how::done);
      CHECK(w.ranks[2].go_on());
      CHECK(w.ranks[0].go_on());
      const auto folded = [&](std::size_t i) { return ordered(ordered(value(0, i), value(1, i)), value(2, i)); };
      for (int r = 0; r < 3; ++r)
        for (std::size_t i = 0; i < out[r].size() && what != collective::barrier; ++i) {
          const int from = static_cast<int>(i / (n > 0 ? n : 1));
          const std::size_t own = static_cast<std::size_t>(r) * n;
          CHECK(out[r][i] == (what == collective::all_reduce ? folded(i) : what == collective::reduce_scatter ? folded(own + i)
                              : what == collective::all_gather ? value(from, i % n) : value(from, own + i % n)));
        }
      CHECK(w.ranks[1].counts.read().of(what).done == 1);
      CHECK(w.ranks[1].counts.read().of(what).sent == w.ranks[1].sent());
      CHECK(w.ranks[1].sent().messages > 0);
      for (const one_rank& r : w.ranks) {
        REQUIRE(r.queue.recorder().read().size() == 1);
        CHECK(r.queue.recorder().read()[0].is == (r.me == 1 ? operation_record::state::done : operation_record::state::running));
      }
      // Nobody waits for the last round: the next one begins where all have been seen.
      CHECK(w.ranks[1].run(shape, 2, in[1], out[1], 1, f) == how::begun);
      CHECK(w.ranks[1].going_on.waits_for() == 2);
    }
}

TEST_CASE("who shares a core offers it to others, and is done once they have shown theirs; a verdict ends that") {
  const call_shape all_gather{.what = collective::all_gather, .count = 1};
  // Rank r comes when rank 0 yields for the r-th time.
  for (const int most : {0, 1, 2, 5}) {
    CAPTURE(most);
    three_ranks w;
    std::vector<int> in[3] = {{10}, {11}, {12}}, out[3] = {std::vector<int>(3), std::vector<int>(3), std::vector<int>(3)};
    w.ranks[0].yields = most;
    int yields = 0;
    std::function<void()> others = [&] {
      const int r = ++yields;
      if (r > 2) return;
      CHECK(w.ranks[r].run(all_gather, 1, in[r], out[r]) == (r == 1 ? how::begun : how::done));
    };
    when_yielding = &others;
    const short_calls::outcome got = w.ranks[0].run(all_gather, 1, in[0], out[0]);
    when_yielding = nullptr;
    CHECK(yields == (most < 2 ? most : 2));
    CHECK(got == (most < 2 ? how::begun : how::done));
    CHECK(out[0] == (most < 2 ? std::vector<int>(3) : std::vector<int>{10, 11, 12}));
    CHECK(w.ranks[0].queue.recorder().read()[0].is == (most < 2 ? operation_record::state::running : operation_record::state::done));
  }
  for (const int when : {0, 1, 3}) {
    CAPTURE(when);
    three_ranks w;
    std::vector<int> in(1), out(3);
    w.ranks[0].yields = 100;
    int yields = 0;
    const auto declare = [&] { w.world.board.declare({.code = errc::rank_died, .rank = 2, .operation = operation_id(0, 1)}); };
    std::function<void()> others = [&] {
      if (++yields == when) declare();
    };
    if (when == 0) declare();
    when_yielding = &others;
    const short_calls::outcome got = w.ranks[0].run(all_gather, 1, in, out);
    when_yielding = nullptr;
    CHECK(got == how::begun);
    CHECK(yields == when);
  }
  // Nobody comes: messages and other operations do not wait for long.
  three_ranks w;
  std::vector<int> in(1), out(3);
  w.ranks[0].yields = 1000;
  int yields = 0;
  std::function<void()> count = [&] { ++yields; };
  when_yielding = &count;
  CHECK(w.ranks[0].run(all_gather, 1, in, out) == how::begun);
  when_yielding = nullptr;
  CHECK(yields == 16);
}

TEST_CASE("who shows another call is met by the operation that goes on") {
  three_ranks w;
  std::vector<int> one(1), two(2), out(2);
  CHECK(w.ranks[0].run({.what = collective::all_reduce, .count = 1}, 1, one, out, 1, fold_function_of<int>(ordered)) == how::begun);
  CHECK(w.ranks[1].run({.what = collective::all_reduce, .count = 2}, 1, two, out, 9, fold_function_of<int>(ordered)) == how::begun);
  CHECK(w.ranks[2].run({.what = collective::all_reduce, .count = 1}, 1, one, out, 1, fold_function_of<int>(ordered)) == how::begun);
  for (int r : {0, 2}) {
    CHECK_FALSE(w.ranks[r].go_on());
    REQUIRE(w.ranks[r].going_on.met().met);
    CHECK(w.ranks[r].going_on.met().peer == 1);
    CHECK(w.ranks[r].going_on.met().what.count == 2);
  }
}

namespace {
// Three ranks' operands of a call that is too long for one round, and what must come of it.
struct long_call {
  explicit long_call(collective kind, std::size_t elements) : what(kind), n(elements) {
    const bool cut = what == collective::reduce_scatter || what == collective::all_to_all, joined = what == collective::all_gather || what == collective::all_to_all;
    for (int r = 0; r < 3; ++r) {
      in[r].resize(cut ? 3 * n : n);
      for (std::size_t i = 0; i < in[r].size(); ++i) in[r][i] = value(r, i);
      out[r].assign(joined ? 3 * n : n, -1);
      if (what == collective::broadcast) in[r] = {}, out[r] = r == 1 ? values(1) : out[r];
    }
    if (what == collective::broadcast) shape.root = 1;
  }
  static int value(int rank, std::size_t i) { return static_cast<int>(1000003u * static_cast<unsigned>(rank + 1) + 17u * static_cast<unsigned>(i)); }
  std::vector<int> values(int rank) const {
    std::vector<int> all(n);
    for (std::size_t i = 0; i < n; ++i) all[i] = value(rank, i);
    return all;
  }
  int folded(std::size_t i) const { return ordered(ordered(value(0, i), value(1, i)), value(2, i)); }
  std::size_t wrong() const {
    std::size_t found = 0;
    for (int r = 0; r < 3; ++r)
      for (std::size_t i = 0; i < out[r].size(); ++i) {
        const int from = static_cast<int>(i / n);
        const std::size_t own = static_cast<std::size_t>(r) * n;
        found += out[r][i] != (what == collective::all_reduce ? folded(i) : what == collective::reduce_scatter ? folded(own + i)
                               : what == collective::all_gather ? value(from, i % n) : what == collective::broadcast ? value(1, i) : value(from, own + i % n));
      }
    return found;
  }
  how run(one_rank& by, std::uint64_t number = 1) { return by.run(shape, number, what == collective::broadcast ? out[by.me] : in[by.me], out[by.me], 1, fold_function_of<int>(ordered)); }

  collective what;
  std::size_t n;
  std::vector<int> in[3], out[3];
  call_shape shape{.what = what, .count = n, .commutative = false};
};
struct does_not_add {
  int operator()(int, int) const { throw std::runtime_error("does not add today"); }
};
constexpr collective in_lent_memory[] = {collective::all_reduce, collective::reduce_scatter, collective::all_gather, collective::all_to_all, collective::broadcast};
}  // namespace

TEST_CASE("in lent memory who comes last is done but for the others' reading, and they go on as operations") {
  for (const collective what : in_lent_memory)
    for (const std::size_t n : {5000u, 5461u}) {
      if (what == collective::all_to_all && n > 5400) continue;  // more than is done without a look at who waits
      CAPTURE(name_of(what));
      CAPTURE(n);
      three_ranks w;
      long_call call(what, n);
      CHECK(call.run(w.ranks[2]) == how::begun);
      CHECK_FALSE(w.ranks[2].go_on());
      CHECK(call.run(w.ranks[0]) == how::begun);
      CHECK_FALSE(w.ranks[0].go_on());
      CHECK(call.run(w.ranks[1]) == how::ending);
      CHECK_FALSE(w.ranks[1].go_on());
      for (int r : {2, 0}) static_cast<void>(w.ranks[r].go_on());
      for (one_rank& r : w.ranks) {
        CHECK(r.go_on());
        CHECK(r.going_on.lent);
        CHECK(r.going_on.sent() == r.sent());
        REQUIRE(r.queue.recorder().read().size() == 1);
      }
      CHECK(w.ranks[1].sent().messages > 0);
      CHECK(call.wrong() == 0);
    }
}

TEST_CASE("in lent memory who comes last is done where the others have read by then, and a verdict before that cuts it short") {
  for (const collective what : in_lent_memory)
    for (const bool verdict : {false, true}) {
      CAPTURE(name_of(what));
      CAPTURE(verdict);
      three_ranks w;
      long_call call(what, 5000);
      for (int r : {0, 1}) CHECK(call.run(w.ranks[r]) == how::begun);
      w.ranks[2].channels().when_borrowing = [&] {
        for (int r : {0, 1}) CHECK_FALSE(w.ranks[r].go_on());
        if (verdict) w.world.board.declare({.code = errc::rank_died, .rank = 0, .operation = operation_id(0, 9)});
      };
      CHECK(call.run(w.ranks[2]) == (verdict ? how::cut_short : how::done));
      CHECK(w.ranks[2].counts.read().of(what).done == !verdict);
      CHECK(w.ranks[2].queue.channels().status().completed == !verdict);
      const auto records = w.ranks[2].queue.recorder().read();
      REQUIRE(records.size() == 1);
      CHECK(records[0].is == (verdict ? operation_record::state::running : operation_record::state::done));
      if (verdict) continue;
      for (int r : {0, 1}) CHECK(w.ranks[r].go_on());
      CHECK(call.wrong() == 0);
    }
}

TEST_CASE("what a fold throws in lent memory is kept, and nobody is told that it has ended") {
  three_ranks w;
  long_call call(collective::all_reduce, 5000);
  for (int r : {0, 1}) CHECK(call.run(w.ranks[r]) == how::begun);
  const does_not_add op{};
  CHECK(w.ranks[2].run(call.shape, 1, call.in[2], call.out[2], 1, fold_function_of<int>(op)) == how::threw);
  CHECK_THROWS_WITH(std::rethrow_exception(w.ranks[2].calls.thrown()), "does not add today");
  CHECK(w.ranks[2].queue.channels().status().completed == 0);
  for (int r : {0, 1}) CHECK_FALSE(w.ranks[r].go_on());
}

TEST_CASE("a plan that was forgotten leaves nothing to another one in its place") {
  three_ranks w;
  long_call sum(collective::all_reduce, 1);
  for (int r : {0, 1}) CHECK(sum.run(w.ranks[r]) == how::begun);
  CHECK(sum.run(w.ranks[2]) == how::done);
  for (int r : {0, 1}) CHECK(w.ranks[r].go_on());
  CHECK(sum.wrong() == 0);
  std::vector<int> told[3] = {{77}, {-1}, {-1}};
  for (one_rank& r : w.ranks) {
    prepared_call& there = *r.plans.back();
    r.calls.forget(there);
    there = std::move(*prepare({.what = collective::broadcast, .count = 1, .element = sizeof(int), .root = 0, .algorithm = shown_algorithm(collective::broadcast)}, {3}, {r.me},
                               direct_algorithm(collective::broadcast, {3}), true));
    REQUIRE(r.calls.takes(there));
    std::byte* const memory = reinterpret_cast<std::byte*>(told[r.me].data());
    CHECK(r.calls.run({there, 2, 99, memory, memory, {}}, 0) == how::done);
    CHECK(told[r.me][0] == 77);
  }
}

TEST_CASE("where one lends nothing all go on as operations, piece by piece, whatever came before") {
  for (const collective what : in_lent_memory)
    for (const bool ran_ahead : {false, true})
      for (const int without : {0, 1, 2}) {
        CAPTURE(name_of(what));
        CAPTURE(ran_ahead);
        CAPTURE(without);
        three_ranks w;
        std::vector<int> few(3);
        if (ran_ahead)
          for (one_rank& r : w.ranks) CHECK(r.run({.what = collective::broadcast, .count = 3, .root = 0}, 1, few, few) == how::done);
        long_call call(what, 5000);
        w.ranks[without].channels().lends_now = false;
        for (one_rank& r : w.ranks) {
          const how began = call.run(r, 2);
          // Of a broadcast the others' memory is not needed.
          const bool needed = what != collective::broadcast || without == 1;
          if (began == how::not_ready) r.begin();
          CHECK(began == (r.me == without && needed ? how::not_ready : !needed && r.me == 2 ? how::ending : how::begun));
        }
        for (int turn = 0; turn < 60; ++turn) static_cast<void>(w.ranks[turn % 3].go_on());
        for (one_rank& r : w.ranks) {
          CHECK(r.go_on());
          CHECK(r.going_on.lent == (what == collective::broadcast && without != 1));
        }
        CHECK(call.wrong() == 0);
      }
}

TEST_CASE("whose memory has gone with it is left to the operation, and a verdict leaves all as it was") {
  three_ranks w;
  long_call call(collective::all_reduce, 5000);
  for (int r : {0, 1}) CHECK(call.run(w.ranks[r]) == how::begun);
  w.ranks[2].channels().others_live = false;
  CHECK(call.run(w.ranks[2]) == how::begun);
  CHECK_FALSE(w.ranks[2].go_on());
  CHECK(call.out[2] == std::vector<int>(5000, -1));

  three_ranks x;
  long_call again(collective::all_reduce, 5000);
  for (int r : {0, 1}) CHECK(again.run(x.ranks[r]) == how::begun);
  x.world.board.declare({.code = errc::rank_died, .rank = 0, .operation = operation_id(0, 9)});  // though it comes after this one
  CHECK(again.run(x.ranks[2]) == how::cut_short);
  for (const auto& out : again.out) CHECK(out == std::vector<int>(5000, -1));
}

TEST_CASE("a root folds what is there, in the order of ranks") {
  three_ranks w;
  std::vector<int> in[3] = {{0x30001, 0x50002}, {0x70010, 0x90020}, {0xb0100, 0xd0200}}, out(2, -1), none;
  const call_shape reduce{.what = collective::reduce, .count = 2, .root = 1, .commutative = false};
  const fold_function f = fold_function_of<int>(ordered);
  CHECK(w.ranks[1].run(reduce, 1, in[1], out, 1, f) == how::not_ready);
  CHECK(w.ranks[2].run(reduce, 1, in[2], none, 1, f) == how::done);
  CHECK(w.ranks[1].run(reduce, 1, in[1], out, 1, f) == how::not_ready);
  CHECK(w.ranks[1].queue.recorder().read().empty());
  CHECK(w.ranks[0].run(reduce, 1, in[0], none, 1, f) == how::done);
  CHECK(w.ranks[1].run(reduce, 1, in[1], out, 1, f) == how::done);
  for (std::size_t i = 0; i < 2; ++i) CHECK(out[i] == ordered(ordered(in[0][i], in[1][i]), in[2][i]));
}

TEST_CASE("a verdict cuts short what does not come before it, though all is there") {
  three_ranks w;
  std::vector<int> values(3), out(3);
  const call_shape broadcast{.what = collective::broadcast, .count = 3, .root = 0}, all_gather{.what = collective::all_gather, .count = 1};
  w.world.board.declare({.code = errc::rank_died, .rank = 2, .operation = operation_id(0, 2)});
  CHECK(w.ranks[0].run(broadcast, 1, values, values) == how::done);
  CHECK(w.ranks[0].run(broadcast, 2, values, values) == how::cut_short);
  const auto records = w.ranks[0].queue.recorder().read();
  REQUIRE(records.size() == 2);
  CHECK(records[0].is == operation_record::state::done);
  CHECK(records[1].is == operation_record::state::running);
  CHECK(w.ranks[0].queue.channels().status().completed == 1);
  three_ranks x;
  for (int r : {0, 1}) CHECK(x.ranks[r].run(all_gather, 2, values, out) == how::begun);
  x.world.board.declare({.code = errc::rank_died, .rank = 0, .operation = operation_id(0, 2)});
  out.assign(3, -1);
  CHECK(x.ranks[2].run(all_gather, 2, values, out) == how::cut_short);
  CHECK(out == std::vector<int>(3, -1));
}

namespace {
struct gives_verdict {
  verdict_board* board;
  std::uint64_t from;
  int operator()(int a, int b) const {
    board->declare({.code = errc::rank_died, .rank = 2, .operation = operation_id(0, from)});
    return a + b;
  }
};
}  // namespace

TEST_CASE("a verdict that comes while a call is under way cuts it short, or comes after it") {
  for (const std::uint64_t from : {1u, 2u}) {
    three_ranks w;
    std::vector<int> one(1, 5), out(1);
    const gives_verdict op{&w.world.board, from};
    const fold_function f = fold_function_of<int>(op);
    const call_shape all_reduce{.what = collective::all_reduce, .count = 1};
    for (int r : {0, 1}) CHECK(w.ranks[r].run(all_reduce, 1, one, out, 1, f) == how::begun);
    CHECK(w.ranks[2].run(all_reduce, 1, one, out, 1, f) == (from == 1 ? how::cut_short : how::done));
    CHECK(w.ranks[2].counts.read().of(collective::all_reduce).done == from - 1);
    CHECK(w.ranks[2].queue.recorder().read()[0].is == (from == 1 ? operation_record::state::running : operation_record::state::done));
  }
}

TEST_CASE("what a fold throws is kept, once") {
  three_ranks w;
  std::vector<int> one(1), out(1);
  const does_not_add op{};
  const call_shape all_reduce{.what = collective::all_reduce, .count = 1};
  for (int r : {0, 1}) CHECK(w.ranks[r].run(all_reduce, 1, one, out, 1, fold_function_of<int>(op)) == how::begun);
  CHECK(w.ranks[2].run(all_reduce, 1, one, out, 1, fold_function_of<int>(op)) == how::threw);
  CHECK_THROWS_WITH(std::rethrow_exception(w.ranks[2].calls.thrown()), "does not add today");
  CHECK_FALSE(w.ranks[2].calls.thrown());
  CHECK(w.ranks[2].queue.channels().status().completed == 0);
}

namespace {
struct ends_session {
  session* of;
  int operator()(int a, int b) const {
    of->fabric().declare({.code = errc::rank_failed, .rank = 7, .operation = operation_id(0, 3)});
    return a + b;
  }
};
}  // namespace

// As its communicator sees it: calls that were begun fail with all others, on every rank.
TEST_CASE("of calls that are done at once, the one that a verdict comes before fails on every rank, and what was before it stands") {
  for (const bool lent : {false, true})
    for (const bool throws : {false, true})
      for (const bool later : {false, true}) {
        CAPTURE(lent);
        CAPTURE(throws);
        CAPTURE(later);
        const std::size_t n = lent ? 5000 : 1;
        // What is lent outlasts the call of whoever reads it, also after a verdict.
        std::vector<int> ones[3], sums[3];
        thread_ranks::run(3, [&](communicator& world, session& s) {
          std::vector<int>&one = ones[world.rank()], &sum = sums[world.rank()];
          one.assign(n, world.rank() + 1), sum.assign(n, -1);
          for (int i = 0; i < 2; ++i) all_gather(world, one, std::vector<int>(3 * n));
          try {
            if (throws) {
              if (later) all_reduce_async(world, one, sum, does_not_add{}).wait();
              else all_reduce(world, one, sum, does_not_add{});
            } else {
              const ends_session op{&s};
              if (later) all_reduce_async(world, one, sum, op).wait();
              else all_reduce(world, one, sum, op);
            }
            throw std::logic_error("a call returned");
          } catch (const error& e) {
            if (e.code() != errc::rank_failed || e.operation() != 3 || (e.rank() != 7) != throws) throw std::logic_error(e.what());
          }
          const auto recent = world.recent();
          if (recent.size() != 3 || recent[1].is != operation_record::state::done || recent[2].is != operation_record::state::failed)
            throw std::logic_error("recent calls are not as they were");
          try {
            barrier(world);
            throw std::logic_error("a call returned");
          } catch (const error& e) {
            if (e.operation() != 3) throw std::logic_error(e.what());
          }
        }, {}, {}, true);
      }
}

// Roots change, so that who ran ahead is waited for next; blocks go around the ring of
// bytes, and some end where it does.
TEST_CASE("short calls of all lengths in any order: everyone gets what was shown for it") {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed);
  thread_ranks::run(4, [&](communicator& world) {
    std::mt19937 draw(seed);  // the same on all ranks
    const int me = world.rank(), ranks = world.size();
    const auto shown_by = [](int call, int rank, std::size_t i) { return static_cast<int>(1000003u * static_cast<unsigned>(call) + 77u * static_cast<unsigned>(rank) + i); };
    for (int call = 0; call < 600; ++call) {
      constexpr std::size_t lengths[] = {0, 8, 9, 1024, 2032, 4096};  // of 4 bytes: what a line carries, and one more; the longest
      const std::size_t n = lengths[draw() % std::size(lengths)];
      const int root = static_cast<int>(draw() % 4);
      const int what = static_cast<int>(draw() % 5);
      std::vector<int> in(n), all(static_cast<std::size_t>(ranks) * n, -1), one(n, -1);
      for (std::size_t i = 0; i < n; ++i) in[i] = shown_by(call, me, i);
      const auto need = [&](bool right) {
        if (!right) throw std::logic_error(format("call %d, kind %d of %zu, root %d: rank %d got something else", call, what, n, root, me));
      };
      const auto sum = [&](std::size_t i) {
        int of_all = 0;
        for (int r = 0; r < ranks; ++r) of_all = static_cast<int>(static_cast<unsigned>(of_all) + static_cast<unsigned>(shown_by(call, r, i)));
        return of_all;
      };
      const auto wraps = [](int a, int b) { return static_cast<int>(static_cast<unsigned>(a) + static_cast<unsigned>(b)); };
      if (what == 0) gather(world, span<const int>(in), me == root ? span<int>(all) : span<int>(), root);
      if (what == 1) all_gather(world, span<const int>(in), all);
      for (std::size_t i = 0; i < all.size() && (what == 1 || (what == 0 && me == root)); ++i)
        need(all[i] == shown_by(call, static_cast<int>(i / n), i % n));
      if (what == 2) {
        broadcast(world, in, root);
        for (std::size_t i = 0; i < n; ++i) need(in[i] == shown_by(call, root, i));
      }
      if (what == 3) reduce(world, span<const int>(in), me == root ? span<int>(one) : span<int>(), wraps, root);
      if (what == 4) all_reduce(world, span<const int>(in), one, wraps);
      for (std::size_t i = 0; i < n && (what == 4 || (what == 3 && me == root)); ++i) need(one[i] == sum(i));
    }
  });
}
