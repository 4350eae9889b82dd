#include <tutti/comm/operation_marks.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <vector>

#include <tutti/transport/loopback.hpp>

using namespace tutti;

namespace {

class no_link final : public link {
 public:
  send_port& to(int) override { throw std::logic_error("nothing is sent"); }
  recv_port& from(int) override { throw std::logic_error("nothing is received"); }
  link_kind kind(int) const override { return link_kind::self; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }

 private:
  rank_status status_;
};

struct one_queue {
  explicit one_queue(communicator_key key) : queue(std::make_unique<no_link>(), {0}, key), marks(joined, queue) {}
  loopback_fabric::world world;
  loopback_fabric joined{world};
  operation_queue queue;
  operation_marks marks;
};

}  // namespace

TEST_CASE("an operation comes before a verdict of a later one, and after one of its own, an earlier one, or another communicator") {
  for (const std::uint64_t number : {3u, 4u, 5u}) {
    one_queue one(1), other(2);
    for (one_queue* q : {&one, &other}) {
      CHECK_FALSE(q->marks.cut_short(number));
      CHECK(q->marks.complete(number));
      q->world.board.declare({.code = errc::rank_died, .rank = 0, .operation = operation_id(1, 4)});
    }
    CHECK(one.marks.cut_short(number) == (number >= 4));
    CHECK(one.marks.complete(number) == (number < 4));
    CHECK(other.marks.cut_short(number));
    CHECK_FALSE(other.marks.complete(number));
  }
}

TEST_CASE("where an operation is can be seen from others, and what it was is remembered") {
  one_queue q(1);
  call what{.count = 7};
  q.marks.open(3);
  CHECK(q.joined.open_operation() == operation_id(1, 3));
  q.marks.enter(what, 11, 3, 1.5);
  const rank_status& status = q.queue.channels().status();
  CHECK(status.entered == 3);
  CHECK(status.completed == 0);
  CHECK(status.astray(3, 12)->count == 7);
  REQUIRE(q.queue.recorder().read().size() == 1);
  CHECK(q.queue.recorder().read()[0].is == operation_record::state::running);
  CHECK(q.queue.recorder().read()[0].begun == 1.5);
  CHECK(q.marks.complete(3));
  CHECK(q.joined.open_operation() == operation_id(1, 4));
  CHECK(status.completed == 3);
}
