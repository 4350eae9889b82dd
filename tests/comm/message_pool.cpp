#include <tutti/comm/message_pool.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace tutti;

namespace {
const std::vector<int> members{4, 9, 2};

message_call sending(std::vector<int>& v, int peer, int tag) {
  return {.sends = true, .peer = peer, .tag = tag, .data = v.data(), .count = v.size(), .element = 4, .type = "int"};
}
message_call receiving(std::vector<int>& v, int peer, int tag) {
  message_call c = sending(v, peer, tag);
  c.sends = false;
  return c;
}
}  // namespace

TEST_CASE("both sides of a message have one shape, and what differs has another") {
  message_pool a(members, 0), b(members, 1);
  std::vector<int> x(5), y(6);
  const std::uint64_t shape = a.prepare(sending(x, 1, 7), nullptr).shape;
  CHECK(b.prepare(receiving(x, 0, 7), nullptr).shape == shape);
  CHECK(b.prepare(receiving(x, 0, 8), nullptr).shape != shape);
  CHECK(b.prepare(receiving(y, 0, 7), nullptr).shape != shape);
  message_call other = receiving(x, 0, 7);
  other.type = "float";
  CHECK(b.prepare(other, nullptr).shape != shape);
  other = receiving(x, 0, 7);
  other.element = 8;
  CHECK(b.prepare(other, nullptr).shape != shape);
  CHECK(shape % 4 == 0);
  CHECK(describe(a.prepare(sending(x, 1, 7), nullptr).what) == "send of 5 int, to rank 9, tag 7");
  CHECK(describe(a.prepare(receiving(x, 2, 0), nullptr).what) == "recv of 5 int, from rank 2, tag 0");
}

TEST_CASE("a message is used again once it is given back, or has ended where nobody waits for it") {
  message_pool p(members, 0);
  std::vector<int> x(5);
  posted_message& first = p.prepare(sending(x, 1, 0), nullptr);
  posted_message& second = p.prepare(sending(x, 1, 0), nullptr);
  CHECK(&first != &second);
  detail::give_back(second);
  CHECK(&p.prepare(sending(x, 2, 0), nullptr) == &second);
  joint_operation& all = p.join(1);
  detail::give_back(first);
  posted_message& part = p.prepare(receiving(x, 1, 0), &all);
  CHECK(&part == &first);
  CHECK(&p.prepare(sending(x, 1, 0), nullptr) != &first);
  detail::finish(part, operation::stage::done);
  bool again = false;
  for (int i = 0; i < 3; ++i) again |= &p.prepare(sending(x, 1, 0), nullptr) == &first;
  CHECK(again);
}

TEST_CASE("what cannot be is refused, and the sentence says why") {
  message_pool p(members, 1);
  std::vector<int> x(5), y(5);
  auto said = [&](std::vector<message_call> calls) -> std::string {
    try {
      p.check(calls.data(), calls.size());
    } catch (const error& e) {
      CHECK(e.code() == errc::invalid_argument);
      CHECK(e.rank() == 9);
      return e.what();
    }
    return "";
  };
  CHECK(said({sending(x, 0, 0), receiving(y, 2, 5), sending(x, 1, 0)}) == "");
  CHECK(said({sending(x, 3, 0)}) == "rank 9: send: peer 3 is not a rank from 0 to 2");
  CHECK(said({receiving(x, -1, 0)}) == "rank 9: recv: peer -1 is not a rank from 0 to 2");
  CHECK(said({sending(x, 0, -2)}) == "rank 9: send: tag -2 is negative");
  message_call null = sending(x, 0, 0);
  null.data = nullptr;
  CHECK(said({null}) == "rank 9: send: a null pointer with 5 elements");
  null.count = 0;
  CHECK(said({null}) == "");
  message_call tail = receiving(x, 0, 0);
  tail.data = x.data() + 4;
  tail.count = 1;
  CHECK(said({sending(x, 2, 0), tail}) == "rank 9: recv: what comes from rank 4 overlaps what goes to rank 2");
  CHECK(said({receiving(x, 2, 0), tail}) == "rank 9: recv: what comes from rank 2 overlaps what comes from rank 4");
}

TEST_CASE("both ends name the same kind of memory, and one that the host does not touch is refused where it would") {
  message_pool p(members, 1);
  std::vector<int> x(5);
  const std::uint64_t shape = p.prepare(sending(x, 0, 7), nullptr).shape;
  message_call away = sending(x, 0, 7);
  away.memory = memory_kind::as_cuda;
  const posted_message& m = p.prepare(away, nullptr);
  CHECK(m.memory == memory_kind::as_cuda);
  CHECK(m.shape != shape);
  CHECK(m.shape % 4 == 0);
  const auto only_2 = [](int peer) { return peer == 2; };
  const message_call here = sending(x, 0, 7);
  CHECK_NOTHROW(p.check_memory(&here, 1, only_2));
  CHECK_THROWS_WITH_AS(p.check_memory(&away, 1, only_2), "rank 9: send: no message link joins rank 4, and no other moves memory of kind as_cuda", error);
  away.peer = 2;
  CHECK_NOTHROW(p.check_memory(&away, 1, only_2));
}
