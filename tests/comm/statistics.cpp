#include <tutti/comm/statistics.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("what is counted is read by link, by collective and as a whole") {
  detail::counter_block block;
  block.over(link_kind::window).add(100);
  block.over(link_kind::window).add(0);
  block.over(link_kind::message).add(7);
  const statistics before = block.read();
  CHECK(before.over(link_kind::window) == traffic{2, 100});
  CHECK(before.over(link_kind::message) == traffic{1, 7});
  CHECK(before.over(link_kind::self) == traffic{});
  CHECK(before.sent() == traffic{3, 107});
  CHECK(before.of(collective::barrier) == statistics::calls{});

  block.completed(collective::all_reduce, {3, 107});
  block.over(link_kind::loopback).add(1);
  block.messages_sent.add(40);
  block.messages_received.add(8);
  block.moving.add(0.25);
  block.calling.add(0.5);
  block.calling.add(-1);  // a clock that was read too early
  block.collectives[static_cast<std::size_t>(collective::all_reduce)].slept.add(0.5);
  block.sleeps[static_cast<std::size_t>(link_kind::window)].add(0.5);
  block.messages_slept.add(0.25);
  const statistics after = block.read().since(before);
  CHECK(after.sent() == traffic{1, 1});
  CHECK(after.of(collective::all_reduce) == statistics::calls{1, {3, 107}});
  CHECK(after.slept_in(collective::all_reduce) == statistics::sleep{1, 0.5});
  CHECK(after.message_sleeps == statistics::sleep{1, 0.25});
  CHECK(after.slept_for(link_kind::window) == statistics::sleep{1, 0.5});
  CHECK(after.slept_for(link_kind::message) == statistics::sleep{});
  CHECK(after.messages_sent == traffic{1, 40});
  CHECK(after.messages_received == traffic{1, 8});
  CHECK(after.waits == 3);
  CHECK(after.seconds_slept == 0.75);

  statistics both = before;
  both += after;
  CHECK(both.links == block.read().links);
  CHECK(both.collectives == block.read().collectives);
  CHECK((both.sleeps == block.read().sleeps && both.collective_sleeps == block.read().collective_sleeps &&
         both.message_sleeps == block.read().message_sleeps));
  CHECK(both.messages_sent == traffic{1, 40});
  CHECK(both.messages_received == traffic{1, 8});
  CHECK(both.waits == 3);
}
