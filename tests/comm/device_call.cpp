#include <tutti/comm/device_call.hpp>

#include <doctest/doctest.h>

using namespace tutti;

TEST_CASE("what a rank brings along and gets is what the contract says") {
  const team all{.size = 5};
  for (collective what : every_collective) {
    if (what == collective::barrier) continue;
    CAPTURE(name_of(what));
    const int parts = blocks_of(what, all);
    for (int root : {0, 3})
      for (int r = 0; r < all.size; ++r) {
        const contract terms{.what = what, .all = all, .root = {root}, .parts = parts};
        std::size_t before = 0, after = 0;
        for (int c = 0; c < parts; ++c) {
          before += terms.holds_before({r}, {c});
          after += terms.holds_after({r}, {c});
        }
        CHECK(detail::blocks_brought(what, r, all.size, root) == before);
        CHECK(detail::blocks_got(what, r, all.size, root) == after);
      }
  }
}

TEST_CASE("in place is where input and output share memory") {
  float memory[8] = {};
  auto call = [&](std::size_t in, std::size_t blocks_in, std::size_t out, std::size_t blocks_out) {
    return device_call<float, plus>{.input = memory + in, .output = memory + out, .count = 2, .input_blocks = blocks_in, .output_blocks = blocks_out}.in_place();
  };
  CHECK(call(0, 1, 0, 1));
  CHECK(call(0, 4, 6, 1));
  CHECK(call(2, 1, 0, 4));
  CHECK_FALSE(call(0, 2, 4, 2));
  CHECK_FALSE(call(0, 4, 6, 0));
}
