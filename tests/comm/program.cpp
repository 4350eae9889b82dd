#include <tutti/comm/program.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <tutti/comm/plan.hpp>

using namespace tutti;

namespace {

program lowered(collective what, algorithm how, int ranks, int me, std::size_t bytes, bool staged, int root = 0) {
  const call_shape c{.what = what, .count = bytes, .root = rooted(what) ? root : -1};
  const schedule s = make_schedule(what, how, {ranks}, {me}, {root});
  return lower(s, detail::map_chunks(c, {ranks}, {me}, s.parts, staged));
}

// What the segment at `index` waits for: "3~" where it may follow it byte by
// byte, "3" where it needs all of it.
std::string waits(const program& p, std::size_t index) {
  std::string text;
  const segment& s = p.segments[index];
  for (std::uint32_t w = s.waits_begin; w < s.waits_end; ++w)
    text += (text.empty() ? "" : " ") + std::to_string(p.waits[w].earlier) + (p.waits[w].streams ? "~" : "");
  return text;
}

std::string describe(const segment& s) {
  constexpr const char* verbs[] = {"send", "recv", "fold", "copy"};
  auto place = [](location l) { return std::string(l.role == memory_role::input ? "in" : l.role == memory_role::output ? "out" : "tmp") + std::to_string(l.offset); };
  std::string text = verbs[static_cast<int>(s.what)];
  if (!is_local(s.what)) text += " " + std::to_string(s.peer);
  if (s.token) return text + " token";
  text += " " + place(s.target) + "+" + std::to_string(s.bytes);
  if (s.what == verb::recv_reduce || s.what == verb::copy) text += " of " + place(s.operand);
  return text;
}

std::vector<std::string> all_of(const std::vector<segment>& segments) {
  std::vector<std::string> all;
  for (const segment& s : segments) all.push_back(describe(s));
  return all;
}

using lines = std::vector<std::string>;

// A vector of four chunks: 10 bytes, none, 20 and 5.
chunk_map four_chunks(bool staged = false) {
  return {.bounds = {0, 10, 10, 30, 35}, .held_begin = 0, .held_end = 4, .required_begin = 0, .required_end = 4, .staged = staged};
}

}  // namespace

TEST_CASE("a ring of three, segment by segment") {
  const program p = lowered(collective::all_reduce, algorithm::ring, 3, 0, 300, false);
  CHECK(all_of(p.segments) == lines{"send 1 in200+100", "fold 2 out100+100 of in100", "send 1 out100+100", "fold 2 out0+100 of in0",
                                    "send 1 out0+100", "recv 2 out200+100", "send 1 out200+100", "recv 2 out100+100"});
  CHECK(waits(p, 0) == "");
  CHECK(waits(p, 1) == "");
  CHECK(waits(p, 2) == "1~");
  CHECK(waits(p, 3) == "");
  CHECK(waits(p, 4) == "3~");
  CHECK(waits(p, 5) == "0~");  // in place, it would overwrite what is being sent
  CHECK(waits(p, 6) == "5~");
  CHECK(waits(p, 7) == "1~ 2~");
  REQUIRE(p.queues.size() == 2);
  auto queue = [&](std::size_t q) { return std::vector<std::uint32_t>(p.order.begin() + p.queues[q].begin, p.order.begin() + p.queues[q].end); };
  CHECK(queue(0) == std::vector<std::uint32_t>{0, 2, 4, 6});
  CHECK(queue(1) == std::vector<std::uint32_t>{1, 3, 5, 7});
  CHECK(p.last_copies.empty());
  CHECK(p.scratch_bytes == 0);
  CHECK(p.sent_bytes == 400);
}

TEST_CASE("staged, nothing touches the output before the last copies, which fill all of it") {
  for (const repertoire_entry& entry : repertoire)
    for (int ranks = 1; ranks <= 9; ++ranks)
      for (int me = 0; me < ranks; ++me) {
        const program p = lowered(entry.what, entry.how, ranks, me, entry.what == collective::barrier ? 0 : 103, true, ranks / 2);
        CAPTURE(name_of(entry.what));
        CAPTURE(name_of(entry.how));
        CAPTURE(ranks);
        CAPTURE(me);
        for (const segment& s : p.segments) {
          REQUIRE((s.token || s.target.role != memory_role::output));
          REQUIRE((s.token || s.operand.role != memory_role::output));
          if (s.what != verb::send && !s.token) REQUIRE(s.target.role == memory_role::scratch);
          if (s.target.role == memory_role::scratch && !s.token) REQUIRE(s.target.offset + s.bytes <= p.scratch_bytes);
        }
        std::size_t filled = 0;
        for (const segment& s : p.last_copies) {
          REQUIRE(s.target.role == memory_role::output);
          REQUIRE(s.target.offset == filled);
          filled += s.bytes;
        }
        const contract agreed{.what = entry.what, .all = {ranks}, .root = {ranks / 2}, .parts = blocks_of(entry.what, {ranks})};
        std::size_t wanted = 0;
        for (int block = 0; block < agreed.parts; ++block) wanted += agreed.holds_after({me}, {block}) ? 103u : 0u;
        CHECK(filled == wanted);
      }
}

TEST_CASE("every algorithm is billed what its schedule sends, to the byte, and queues hold every segment once") {
  for (const repertoire_entry& entry : repertoire)
    for (int ranks = 1; ranks <= 17; ++ranks)
      for (std::size_t bytes : {0u, 1u, 5u, 1009u}) {
        if (entry.what == collective::barrier && bytes > 0) continue;
        const call_shape c{.what = entry.what, .count = bytes, .root = rooted(entry.what) ? 0 : -1};
        std::size_t all_ranks = 0;
        for (int me = 0; me < ranks; ++me) {
          const schedule s = entry.make({ranks}, {me}, {0});
          const chunk_map map = detail::map_chunks(c, {ranks}, {me}, s.parts, false);
          const program p = lower(s, map);
          std::size_t sent = 0, local = 0;
          for (const step& next : s.steps) {
            local += is_local(next.what);
            for (int i = 0; next.what == verb::send && i < next.where.count; ++i) {
              const auto part = static_cast<std::size_t>((next.where.first.value + i) % s.parts);
              sent += map.bounds[part + 1] - map.bounds[part];
            }
          }
          CAPTURE(name_of(entry.what));
          CAPTURE(name_of(entry.how));
          REQUIRE(p.sent_bytes == sent);
          REQUIRE(p.segments.size() + local >= s.steps.size());  // a step that moves nothing still says that it came
          all_ranks += sent;
          std::vector<int> seen(p.segments.size());
          for (std::uint32_t index : p.order) ++seen[index];
          REQUIRE(seen == std::vector<int>(p.segments.size(), 1));
          for (const segment& g : p.segments) {
            REQUIRE((g.bytes > 0) != g.token);
            for (std::uint32_t w = g.waits_begin; w < g.waits_end; ++w) REQUIRE(&p.segments[p.waits[w].earlier] < &g);
          }
          for (const segment_queue& q : p.queues)
            for (std::uint32_t i = q.begin + 1; i < q.end; ++i) REQUIRE(p.order[i - 1] < p.order[i]);
          // A ring sends all but one chunk, twice: all but its own, then all but its neighbour's.
          if (entry.what == collective::all_reduce && entry.how == algorithm::ring) {
            auto length = [&](int k) { return map.bounds[static_cast<std::size_t>(k) + 1] - map.bounds[static_cast<std::size_t>(k)]; };
            REQUIRE(sent == 2 * bytes - length(me) - length((me + 1) % ranks));
          }
        }
        const auto others = static_cast<std::size_t>(ranks - 1);
        if (entry.how == algorithm::linear && rooted(entry.what)) CHECK(all_ranks == others * bytes);
        if (entry.how == algorithm::tree && rooted(entry.what) && !blocked(entry.what)) CHECK(all_ranks == others * bytes);
        if (entry.how == algorithm::tree && entry.what == collective::all_reduce) CHECK(all_ranks == 2 * others * bytes);
        if (entry.how == algorithm::ring && blocked(entry.what)) CHECK(all_ranks == others * static_cast<std::size_t>(ranks) * bytes);
        if (entry.what == collective::barrier) CHECK(all_ranks == 0);
      }
}

TEST_CASE("chunks without bytes are dropped, but a step of nothing else sends a token") {
  schedule s{.parts = 4, .scratch = 4};
  s.send({1}, {chunk{0}, 4});
  s.send({1}, chunk{1});
  s.recv({2}, chunk{1});
  s.recv_reduce({2}, chunk{1}, side::left);
  s.copy(chunk{1}, chunk{5});
  s.send({1}, {chunk{1}, 2});
  const program p = lower(s, four_chunks());
  CHECK(all_of(p.segments) == lines{"send 1 in0+35", "send 1 token", "recv 2 token", "fold 2 token", "send 1 in10+20"});
  CHECK(p.sent_bytes == 55);
  CHECK(all_of(p.last_copies) == lines{"copy out0+35 of in0"});
}

TEST_CASE("a range that lies in several memories becomes several segments, which nothing follows byte by byte") {
  schedule s{.parts = 4};
  s.recv({2}, chunk{2});         // into the output
  s.send({1}, {chunk{0}, 4});    // the others are still in the input
  s.recv({2}, {chunk{0}, 4});    // over all of it
  s.send({3}, {chunk{0}, 4});    // now in one piece again
  const program p = lower(s, four_chunks());
  CHECK(all_of(p.segments) == lines{"recv 2 out10+20", "send 1 in0+10", "send 1 out10+20", "send 1 in30+5", "recv 2 out0+35", "send 3 out0+35"});
  CHECK(waits(p, 1) == "0");
  CHECK(waits(p, 2) == "0");
  CHECK(waits(p, 3) == "0");
  CHECK(waits(p, 4) == "1 2 3 0");
  CHECK(waits(p, 5) == "4~");
  CHECK(p.sent_bytes == 70);
}

TEST_CASE("a segment follows another byte by byte only over the same chunks") {
  schedule s{.parts = 4};
  s.recv({1}, {chunk{0}, 3});
  s.send({2}, {chunk{0}, 3});
  s.send({2}, {chunk{2}, 2});  // overlaps, but begins elsewhere
  s.recv_reduce({1}, {chunk{0}, 3}, side::right);
  const program p = lower(s, four_chunks());
  CHECK(waits(p, 1) == "0~");
  CHECK(p.segments.size() == 5);
  CHECK(waits(p, 2) == "0");
  CHECK(waits(p, 4) == "0~ 1~ 2 3");
}

TEST_CASE("the input is never written, and scratch chunks lie one after the other") {
  schedule s{.parts = 4, .scratch = 5};
  s.recv({1}, {chunk{4}, 4});
  s.recv_reduce({1}, chunk{8}, side::left, chunk{0});  // of a second row of scratch, as long as chunk 0
  s.copy(chunk{6}, chunk{2});
  chunk_map map = four_chunks();
  map.required_begin = map.required_end = 0;  // as for a rank that is not the root
  const program p = lower(s, map);
  CHECK(all_of(p.segments) == lines{"recv 1 tmp20+35", "fold 1 tmp55+10 of in0", "copy tmp0+20 of tmp30"});
  CHECK(p.scratch_bytes == 65);
  CHECK(p.last_copies.empty());
}

TEST_CASE("a rank needs no more scratch than it must") {
  for (int ranks : {2, 3, 4, 7, 8, 20})
    for (int root : {0, ranks / 2, ranks - 1})
      for (int me = 0; me < ranks; ++me) {
        CAPTURE(ranks);
        CAPTURE(me);
        bool leaf = true;
        for (const step& s : tree_reduce({ranks}, {me}, {root}).steps) leaf &= s.what == verb::send;
        const program p = lowered(collective::reduce, algorithm::tree, ranks, me, 1000, false, root);
        if (leaf) CHECK(p.scratch_bytes == 0);
        else CHECK(p.scratch_bytes >= (me == root ? 0u : 1000u));
        CHECK(lowered(collective::broadcast, algorithm::tree, ranks, me, 1000, false, root).scratch_bytes == 0);
        CHECK(lowered(collective::all_gather, algorithm::ring, ranks, me, 1000, false).scratch_bytes == 0);
        CHECK(lowered(collective::all_reduce, algorithm::ring, ranks, me, 1000, false).scratch_bytes == 0);
      }
}
