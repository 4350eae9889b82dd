#include <tutti/comm/collected_calls.hpp>

#include <doctest/doctest.h>

#include <memory>

using namespace tutti;

TEST_CASE("what is collected outlives its caller's arguments, and its memory is used again") {
  struct shared {
    std::shared_ptr<int> state = std::make_shared<int>(7);
  };
  collected_calls all;
  all.begin();
  CHECK(all.open());
  std::weak_ptr<int> state;
  {
    const shared functor;
    state = functor.state;
    const std::vector<std::size_t> counts{1, 2, 3};
    all.add({.what = collective::all_gather, .count = 6, .uneven = true, .counts = counts}, {.fold = {nullptr, &functor}, .keep = keep_functor<shared>});
  }
  all.end();
  CHECK_FALSE(all.open());
  CHECK(all.shapes().size() == 1);
  CHECK(all.shapes()[0].counts[2] == 3);
  CHECK(*static_cast<const shared*>(all.memories(0).fold.op)->state == 7);
  CHECK_FALSE(state.expired());
  collected_calls::list kept;
  all.give(kept);
  CHECK(all.shapes().empty());
  CHECK(kept.size() == 1);
  const collected_calls::call* const same = kept[0].get();
  CHECK_FALSE(state.expired());
  kept[0]->functor.clear();
  CHECK(state.expired());
  all.begin();
  all.give(kept);
  CHECK(kept.empty());
  const message_call m{.peer = 1};
  all.add({.what = collective::barrier}, {});
  all.add({&m, 1});
  CHECK(all.messages().size() == 1);
  all.give(kept);
  CHECK(kept[0].get() == same);
  CHECK(all.messages().empty());
}
