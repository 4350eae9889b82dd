#include <tutti/comm/prepared_call.hpp>

#include <doctest/doctest.h>

#include <cstddef>

#include <tutti/comm/plan.hpp>

using namespace tutti;

namespace {

// Lends everything, as its address.
struct lending_link final : link {
  send_port& to(int) override { throw 0; }
  recv_port& from(int) override { throw 0; }
  link_kind kind(int) const override { return link_kind::loopback; }
  rank_status& status() override { return status_; }
  const rank_status* status_of(int) const override { return nullptr; }
  bool lends() const override { return true; }
  loan lend(const std::byte* data, std::size_t bytes) const override { return reinterpret_cast<loan>(data) + bytes; }
  rank_status status_;
};

}  // namespace

TEST_CASE("a rank lends what its call reads and writes, and nothing of what it writes over") {
  const lending_link peers;
  call_shape c{.what = collective::all_to_all, .count = 5000, .element = 4, .algorithm = algorithm::pairwise};
  std::byte in{}, out{};
  const auto apart = prepare(c, {3}, {1}, algorithm::pairwise, true);
  REQUIRE(apart->lent);
  const loan_offer offered = offer_of(*apart, peers, &in, &out);
  CHECK(offered.input == reinterpret_cast<loan>(&in) + 3 * 5000 * 4);
  CHECK(offered.output == reinterpret_cast<loan>(&out) + 3 * 5000 * 4);
  CHECK(apart->lent_briefly);
  c.in_place = true;
  const auto in_place = prepare(c, {3}, {1}, algorithm::pairwise, true);
  const loan_offer none = offer_of(*in_place, peers, &in, &in);
  CHECK(none.input == 0);
  CHECK(none.output == 0);
  CHECK_FALSE(in_place->lent_briefly);
}

TEST_CASE("only what takes one slice is done in lent memory at once") {
  for (const std::size_t bytes : {16388u, 65536u, 65540u}) {
    const call_shape c{.what = collective::broadcast, .count = bytes / 4, .element = 4, .root = 0, .algorithm = algorithm::linear};
    CHECK(prepare(c, {2}, {1}, algorithm::linear, true)->lent_briefly == (bytes <= direct_execution::slice_bytes));
    CHECK_FALSE(prepare(c, {2}, {1}, algorithm::linear, false)->lent_briefly);  // without a billboard
  }
}

TEST_CASE("scratch, staging and sums each begin at a line") {
  prepared_call p;
  p.body.scratch_bytes = 65;
  CHECK(p.scratch_bytes() == 65);
  p.staging = 10;
  CHECK(p.staging_begin() == 128);
  CHECK(p.scratch_bytes() == 138);
  p.what.element = 2;
  p.folded = 4;
  p.body.sums_bytes = 20;
  CHECK(p.sums_begin() == 192);
  CHECK(p.scratch_bytes() == 192 + 40);
}
