#include <tutti/comm/plan.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace tutti;

TEST_CASE("small results are staged, large ones agreed upon first; neither where two ranks see each other's calls anyway") {
  auto prepared = [](collective what, std::size_t count, int ranks, algorithm how) {
    return prepare({.what = what, .count = count, .element = 1, .root = rooted(what) ? 0 : -1, .algorithm = how}, {ranks}, {ranks - 1});
  };
  const std::size_t most = detail::staged_bytes;
  for (int ranks : {3, 4, 7}) {
    CAPTURE(ranks);
    const std::size_t per_rank = most / static_cast<std::size_t>(ranks);
    CHECK_FALSE(prepared(collective::all_reduce, most, ranks, algorithm::ring)->agree_first);
    CHECK(prepared(collective::all_reduce, most + 1, ranks, algorithm::ring)->agree_first);
    CHECK_FALSE(prepared(collective::all_gather, per_rank, ranks, algorithm::ring)->agree_first);
    CHECK(prepared(collective::all_gather, per_rank + 1, ranks, algorithm::ring)->agree_first);
    CHECK(prepared(collective::broadcast, most + 1, ranks, algorithm::tree)->agree_first);
    CHECK_FALSE(prepared(collective::barrier, 0, ranks, algorithm::dissemination)->agree_first);
    const auto large = prepared(collective::all_reduce, most + 1, ranks, algorithm::ring);
    CHECK(large->agreement.sent_bytes == 0);
    CHECK_FALSE(large->agreement.segments.empty());
    CHECK(large->body.last_copies.empty());
    const auto small = prepared(collective::all_reduce, most, ranks, algorithm::ring);
    for (const segment& s : small->body.segments)
      if (s.what != verb::send) CHECK(s.target.role == memory_role::scratch);
  }
  for (int ranks : {1, 2}) CHECK_FALSE(prepared(collective::all_reduce, 1 << 20, ranks, algorithm::ring)->agree_first);
}

TEST_CASE("where all see what all show, little goes in one round, and what is agreed first is a round too") {
  auto prepared = [](collective what, std::size_t count, int ranks, algorithm how, bool in_rounds) {
    return prepare({.what = what, .count = count, .element = 1, .algorithm = how}, {ranks}, {ranks - 1}, algorithm::automatic, in_rounds);
  };
  for (int ranks : {2, 4, 7}) {
    CAPTURE(ranks);
    const std::size_t most = detail::staged_bytes, per_rank = most / static_cast<std::size_t>(ranks);
    const auto shown = prepared(collective::all_reduce, most, ranks, algorithm::one_shot, true);
    REQUIRE(shown->shown);
    CHECK((shown->agree_first && shown->scratch_bytes() == 0 && shown->agreement.segments.empty() && shown->body.segments.empty()));
    CHECK_FALSE(prepared(collective::all_reduce, most, ranks, algorithm::one_shot, false)->shown);
    CHECK_FALSE(prepared(collective::all_reduce, most + 1, ranks, algorithm::one_shot, true)->shown);
    CHECK_FALSE(prepared(collective::all_reduce, most, ranks, algorithm::tree, true)->shown);
    for (collective what : {collective::reduce_scatter, collective::all_to_all}) {
      CHECK(prepared(what, per_rank, ranks, algorithm::pairwise, true)->shown);
      CHECK_FALSE(prepared(what, per_rank + 1, ranks, algorithm::pairwise, true)->shown);
    }
    // Of what is gathered each rank shows a block and no more.
    const std::size_t block = ranks == 2 ? per_rank : most;
    for (auto [what, how] : {std::pair{collective::all_gather, algorithm::pairwise}, {collective::gather, algorithm::linear}}) {
      CHECK(prepared(what, block, ranks, how, true)->shown);
      CHECK_FALSE(prepared(what, block + 1, ranks, how, true)->shown);
    }
    CHECK_FALSE(prepared(collective::all_gather, block, ranks, algorithm::pairwise, true)->relayed);
    CHECK(prepared(collective::all_gather, block + 1, ranks, algorithm::pairwise, true)->relayed);
    CHECK(prepared(collective::barrier, 0, ranks, algorithm::dissemination, true)->shown);
    // What has a root: who is read shows all that is read of it, and nobody else anything.
    auto shows = [&](collective what, int me) {
      const auto p = prepare({.what = what, .count = 10, .element = 1, .root = 1, .algorithm = algorithm::linear}, {ranks}, {me}, algorithm::automatic, true);
      REQUIRE(p->shown);
      return p->shown->input_bytes;
    };
    for (int me = 0; me < ranks; ++me) {
      CHECK(shows(collective::broadcast, me) == (me == 1 ? 10 : 0));
      CHECK(shows(collective::scatter, me) == (me == 1 ? 10 * static_cast<std::size_t>(ranks) : 0));
      CHECK(shows(collective::gather, me) == (me == 1 ? 0 : 10));
      CHECK(shows(collective::reduce, me) == (me == 1 ? 0 : 10));
    }
    const auto relayed = prepared(collective::all_reduce, most + 1, ranks, algorithm::two_shot, true);
    REQUIRE(relayed->relayed);
    CHECK((relayed->agree_first && relayed->scratch_bytes() == 0 && relayed->agreement.segments.empty() && relayed->body.segments.empty()));
    CHECK_FALSE(prepared(collective::all_reduce, most, ranks, algorithm::two_shot, true)->relayed);
    CHECK_FALSE(prepared(collective::all_reduce, most + 1, ranks, algorithm::two_shot, false)->relayed);
    CHECK_FALSE(prepared(collective::all_reduce, most + 1, ranks, algorithm::ring, true)->relayed);
    const auto large = prepared(collective::all_reduce, most + 1, ranks, algorithm::ring, true);
    CHECK(large->agree_first == (ranks > 2));
    CHECK((large->in_rounds && large->agreement.segments.empty() && !large->body.segments.empty()));
  }
  const std::vector<std::size_t> counts{1, 2, 3};
  const call_shape pairs{.what = collective::all_to_all, .count = 6, .element = 4, .algorithm = algorithm::pairwise, .uneven = true,
                         .counts = counts, .received = counts};
  CHECK(prepare(pairs, {3}, {1}, algorithm::automatic, true)->shows_pairs());
  CHECK(prepare(pairs, {3}, {1}, algorithm::automatic, true)->agreement.segments.empty());
  CHECK_FALSE(prepare(pairs, {3}, {1})->shows_pairs());
}

TEST_CASE("an all_to_all in place keeps its output for the end, and the other ranks need not know") {
  for (int ranks : {2, 4})
    for (std::size_t count : {std::size_t{1}, std::size_t{1} << 20}) {
      call_shape c{.what = collective::all_to_all, .count = count, .element = 1, .algorithm = algorithm::pairwise};
      const auto apart = prepare(c, {ranks}, {1});
      c.in_place = true;
      const auto in_place = prepare(c, {ranks}, {1});
      CHECK(in_place->shape == apart->shape);
      CHECK(in_place->agree_first == apart->agree_first);
      CHECK(in_place->body.sent_bytes == apart->body.sent_bytes);
      CHECK(in_place->body.scratch_bytes == count * static_cast<std::size_t>(ranks));
      for (const segment& s : in_place->body.segments)
        if (s.what != verb::send) CHECK(s.target.role == memory_role::scratch);
      if (count > 1) CHECK(apart->body.scratch_bytes == 0);
    }
}

TEST_CASE("what differs between calls differs in their shape, however long the names") {
  const team all{4};
  const call_shape base{.what = collective::all_reduce, .count = 100, .element = 4, .type = "float", .operation = "sum", .algorithm = algorithm::ring};
  auto shape = [&](const call_shape& c) { return prepare(c, all, {1})->shape; };
  CHECK(shape(base) == shape(base));
  CHECK(prepare(base, all, {0})->shape == prepare(base, all, {3})->shape);
  auto with = [&](auto change) {
    call_shape c = base;
    change(c);
    return shape(c);
  };
  CHECK(with([](call_shape& c) { c.count = 101; }) != shape(base));
  CHECK(with([](call_shape& c) { c.element = 8; }) != shape(base));
  CHECK(with([](call_shape& c) { c.type = "int"; }) != shape(base));
  CHECK(with([](call_shape& c) { c.operation = "max"; }) != shape(base));
  CHECK(with([](call_shape& c) { c.algorithm = algorithm::tree; }) != shape(base));
  CHECK(with([](call_shape& c) { c.what = collective::reduce, c.root = 0, c.algorithm = algorithm::tree; }) !=
        with([](call_shape& c) { c.what = collective::reduce, c.root = 1, c.algorithm = algorithm::tree; }));
  // Only the beginning of a name travels with a message; all of it counts.
  const std::string longer(60, 'n');
  CHECK(with([&](call_shape& c) { c.type = longer; }) != with([&](call_shape& c) { c.type = std::string_view(longer).substr(1); }));
  CHECK(with([&](call_shape& c) { c.operation = longer; }) != with([&](call_shape& c) { c.operation = std::string_view(longer).substr(1); }));
}

TEST_CASE("counts that all ranks know belong to the shape, those that two know to what passes between them") {
  using counts_of = std::vector<std::size_t>;
  auto prepared = [](collective what, algorithm how, int me, int root, const counts_of& counts, const counts_of& received = {}) {
    call_shape c{.what = what, .element = 4, .root = root, .type = "float", .algorithm = how, .uneven = true, .counts = counts, .received = received};
    for (std::size_t n : counts) c.count += n;
    return prepare(c, {3}, {me});
  };
  const counts_of some{5, 0, 2}, other{5, 1, 2}, same_sums{2, 0, 5};
  for (collective what : {collective::all_gather, collective::reduce_scatter}) {
    auto shape = [&](const counts_of& counts, int me) { return prepared(what, algorithm::ring, me, -1, counts)->shape; };
    CHECK(shape(some, 0) == shape(some, 2));
    CHECK(shape(some, 0) != shape(other, 0));
    CHECK(shape(some, 0) != shape(same_sums, 0));
    CHECK(shape(counts_of{0, 0, 0}, 0) != prepare({.what = what, .element = 4, .type = "float", .algorithm = algorithm::ring}, {3}, {0})->shape);
    CHECK(prepared(what, algorithm::ring, 1, -1, some)->pairs.from == nullptr);
    CHECK(std::string(prepared(what, algorithm::ring, 1, -1, some)->what.kind) == std::string(name_of(what)) + "_v");
  }
  const auto swap = prepared(collective::all_to_all, algorithm::pairwise, 1, -1, some, other);
  CHECK(swap->shape == prepared(collective::all_to_all, algorithm::pairwise, 0, -1, other, some)->shape);
  CHECK((swap->pairs.to[0] == 5 && swap->pairs.from[1] == 1));
  CHECK(swap->pairs.mark_from(1, 9) == pair_mark(9, 1));
  CHECK(describe(swap->what) == "all_to_all_v of float, pairwise");
  for (collective what : {collective::gather, collective::scatter}) {
    const auto root = prepared(what, algorithm::linear, 2, 2, some), leaf = [&] {
      return prepare({.what = what, .count = 5, .element = 4, .root = 2, .type = "float", .algorithm = algorithm::linear, .uneven = true}, {3}, {0});
    }();
    CHECK(root->shape == leaf->shape);
    CHECK(root->pairs.from[0] == leaf->pairs.to[2]);
    CHECK(root->body.sent_bytes == (what == collective::gather ? 0 : 20));
    CHECK(leaf->body.sent_bytes == (what == collective::gather ? 20 : 0));
  }
}

TEST_CASE("where two ranks know a count, all agree before anything is written; where all do, as in the equal form") {
  const std::vector<std::size_t> small(3, 5), large(3, detail::staged_bytes);
  for (const auto& counts : {small, large})
    for (const repertoire_entry& e : repertoire) {
      if (!e.uneven) continue;
      call_shape c{.what = e.what, .element = 1, .root = rooted(e.what) ? 0 : -1, .algorithm = e.how, .uneven = true, .counts = counts};
      c.count = 3 * counts[0];
      if (e.what == collective::all_to_all) c.received = counts;
      const auto p = prepare(c, {3}, {0});
      INFO(name_of(e.what), " ", name_of(e.how), ", ", counts[0]);
      CHECK(p->agree_first == (c.by_pair() || counts == large));
      CHECK(p->agreement.sent_bytes == 0);
      CHECK((p->body.scratch_bytes == 0 || !c.by_pair()));
      if (e.what == collective::all_to_all) {
        c.in_place = true;
        const auto in_place = prepare(c, {3}, {0});
        CHECK(in_place->body.scratch_bytes == c.count);
        CHECK(in_place->body.sent_bytes == p->body.sent_bytes);
        CHECK(in_place->shape == p->shape);
      }
    }
}

TEST_CASE("of a long name its beginning and its end are shown") {
  char sixteen[16];
  auto shown = [&](std::string_view name) {
    std::memset(sixteen, 'x', sizeof sixteen);
    detail::put_name(sixteen, name);
    return std::string(sixteen);
  };
  CHECK(shown("") == "");
  CHECK(shown("exactly fifteen") == "exactly fifteen");
  CHECK(shown("0123456789abcdef") == "012345...abcdef");
  CHECK(shown("my::space::thing_that_is_left") == "my::sp...s_left");
}

TEST_CASE("chunks begin on lines where there is enough to go round, and cover all") {
  for (std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{5}, std::size_t{1000}, std::size_t{16 * 64 * 4}, std::size_t{1000003}})
    for (std::size_t element : {1u, 4u, 12u, 64u, 400u}) {
      const call_shape c{.what = collective::all_reduce, .count = count, .element = element};
      const chunk_map map = detail::map_chunks(c, {4}, {2}, 4, false);
      REQUIRE(map.bounds.size() == 5);
      CHECK(map.bounds[0] == 0);
      CHECK(map.bounds[4] == count * element);
      for (std::size_t i = 0; i < 4; ++i) {
        CHECK(map.bounds[i] <= map.bounds[i + 1]);
        CHECK(map.bounds[i] % element == 0);
        if (element == 4 && count >= 16 * 64 * 4) CHECK(map.bounds[i] % 64 == 0);
      }
      CHECK((map.held_begin == 0 && map.held_end == 4 && map.required_begin == 0 && map.required_end == 4));
    }
  const call_shape gathered{.what = collective::all_gather, .count = 10, .element = 4};
  const chunk_map map = detail::map_chunks(gathered, {3}, {1}, 6, false);
  CHECK((map.held_begin == 2 && map.held_end == 4 && map.required_begin == 0 && map.required_end == 6));
  const call_shape rooted_call{.what = collective::reduce, .count = 10, .element = 4, .root = 2};
  CHECK(detail::map_chunks(rooted_call, {3}, {1}, 3, false).required_end == 0);
  CHECK(detail::map_chunks(rooted_call, {3}, {2}, 3, false).required_end == 3);
}
