#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <tutti/analysis/verify.hpp>
#include <tutti/comm/call_shape.hpp>
#include <tutti/comm/choice.hpp>
#include <tutti/comm/operation.hpp>
#include <tutti/schedule/chunking.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti {

namespace detail {

constexpr chunking cut(const call_shape& c, const team& all, int parts) {
  if (blocked(c.what)) return block_chunking(c.count, blocks_of(c.what, all), parts);
  // Chunks begin on a cache line where there is enough to go round.
  const std::size_t line = 64 / c.element;
  const bool large = c.element <= 64 && 64 % c.element == 0 && c.count >= line * 64 * static_cast<std::size_t>(parts);
  return {.count = c.count, .parts = parts, .grain = large ? line : 1};
}

/// Elements in each block, as far as this rank knows them.
constexpr std::vector<std::size_t> uneven_blocks(const call_shape& c, const team& all, rank me) {
  std::vector<std::size_t> blocks(c.counts.begin(), c.counts.end());
  blocks.insert(blocks.end(), c.received.begin(), c.received.end());
  if (!blocks.empty()) return blocks;
  blocks.resize(static_cast<std::size_t>(all.size));
  blocks[static_cast<std::size_t>(me.value)] = c.count;
  return blocks;
}

/// Where chunks begin, in elements, and the last ends.
constexpr std::vector<std::size_t> chunk_bounds(const call_shape& c, const team& all, rank me, int parts) {
  if (c.uneven) return uneven_bounds(uneven_blocks(c, all, me), parts);
  const chunking cuts = cut(c, all, parts);
  std::vector<std::size_t> bounds;
  for (int i = 0; i < parts; ++i) bounds.push_back(cuts.begin(chunk{i}));
  bounds.push_back(cuts.end(chunk{parts - 1}));
  return bounds;
}

inline chunk_map map_chunks(const call_shape& c, const team& all, rank me, int parts, bool staged) {
  const contract agreed{.what = c.what, .all = all, .root = {c.root < 0 ? 0 : c.root}, .parts = parts};
  chunk_map map;
  map.staged = staged;
  map.sums = c.folded > 0;
  map.bounds = chunk_bounds(c, all, me, parts);
  for (std::size_t& bound : map.bounds) bound *= c.element;
  auto range = [&](auto holds, int& begin, int& end) {
    begin = end = 0;
    for (int i = 0; i < parts; ++i)
      if (holds(chunk{i})) {
        if (end == 0) begin = i;
        end = i + 1;
      }
  };
  range([&](chunk k) { return agreed.holds_before(me, k); }, map.held_begin, map.held_end);
  range([&](chunk k) { return agreed.holds_after(me, k); }, map.required_begin, map.required_end);
  return map;
}

/// As much of a name as travels with a message: of a long one its beginning and
/// its end.
template <std::size_t N>
void put_name(char (&into)[N], std::string_view text) {
  std::memset(into, 0, N);
  if (text.size() < N) {
    text.copy(into, text.size());
    return;
  }
  constexpr std::size_t dots = 3, head = (N - 1 - dots) / 2, tail = N - 1 - dots - head;
  text.copy(into, head);
  std::memset(into + head, '.', dots);
  text.substr(text.size() - tail).copy(into + head + dots, tail);
}

constexpr std::uint64_t mix(std::uint64_t hash, std::string_view text) {
  for (char c : text) hash = mix(hash, static_cast<unsigned char>(c));
  return mix(hash, text.size());
}

}  // namespace detail

namespace detail {

/// Teams that the tests prove for every algorithm, those that they prove for
/// every way to fall into hosts, for pairwise exchange, without which no
/// communicator is made, and those for which a proof still takes milliseconds.
inline constexpr int proved_by_tests = 33, proved_by_tests_on_hosts = 6, proved_pairwise_by_tests = 145, proved_when_made = 300;

inline bool needs_proof(algorithm how, const team& all) {
  const bool by_hosts = tells_hosts_apart(how) && all.hosts() > 1;
  const int by_tests = by_hosts ? proved_by_tests_on_hosts : how == algorithm::pairwise ? proved_pairwise_by_tests : proved_by_tests;
  return all.size > by_tests && all.size <= proved_when_made;
}

/// A schedule beyond the tests is proved before it runs: once for all counts.
inline void prove(const call_shape& c, const team& all) {
  const rank root{c.root < 0 ? 0 : c.root};
  const order needed = reduces(c.what) && keeps_order(c.what, c.algorithm, all) ? order::kept : order::any;
  static std::mutex lock;
  static std::set<std::tuple<collective, algorithm, int, int, order, std::vector<int>>> proved;
  const std::tuple key(c.what, c.algorithm, all.size, root.value, needed,
                       tells_hosts_apart(c.algorithm) ? all.host_of : std::vector<int>{});
  {
    const std::lock_guard held(lock);
    if (proved.contains(key)) return;
  }
  const proof found = verify(c.what, all, root, needed,
                             [&](const team& t, rank r) { return make_schedule(c.what, c.algorithm, t, r, root); });
  if (!found.ok)
    throw error(errc::not_supported,
                format("%s by %s is wrong for %d ranks (%s): report it, and choose another algorithm", name_of(c.what),
                       name_of(c.algorithm), all.size, explain(found).c_str()));
  const std::lock_guard held(lock);
  proved.insert(key);
}

}  // namespace detail

namespace detail {

/// What ranks that agree on counts two by two do before any output is written:
/// at a root, where all that passes passes, a token from each; else a barrier
/// in which everyone hears from everyone.
inline program pair_agreement(const call_shape& c, const team& all, rank me) {
  const schedule s = rooted(c.what) ? linear_gather(all, me, {c.root}) : pairwise_barrier(all, me);
  return lower(s, {.bounds = std::vector<std::size_t>(static_cast<std::size_t>(s.parts) + 1)});
}

/// What a prepared call keeps of the counts of its shape.
inline void keep_counts(prepared_call& p, const call_shape& c, const team& all) {
  p.counts.assign(c.counts.begin(), c.counts.end());
  p.received.assign(c.received.begin(), c.received.end());
  if (!c.by_pair()) {
    for (std::size_t r = 0; r < p.counts.size(); ++r) {
      p.what.counts += count_weight(r) * p.counts[r];
      p.shape = mix(p.shape, p.counts[r]);
    }
    return;
  }
  p.what.counts = call::by_pair;
  p.what.count = 0;
  if (rooted(c.what) && p.counts.empty()) {
    p.counts.resize(static_cast<std::size_t>(all.size));
    p.counts[static_cast<std::size_t>(c.root)] = c.count;
  }
  p.pairs = {.to = p.counts.data(), .from = rooted(c.what) ? p.counts.data() : p.received.data()};
}

}  // namespace detail

namespace detail {

/// Inputs and outputs of all ranks that have together as many bytes have left the
/// caches before they are used again.
inline constexpr std::size_t streamed_bytes = std::size_t{32} << 20;

/// What all ranks do in a call, for the direct forms of each.
class direct_forms {
 public:
  direct_forms(const call_shape& c, const team& all) {
    for (rank r{0}; r.value < all.size; ++r.value) {
      schedules_.push_back(make_schedule(c.what, c.algorithm, all, r, {c.root < 0 ? 0 : c.root}));
      maps_.push_back(map_chunks(c, all, r, schedules_.back().parts, false));
      bytes_ += maps_.back().held() + maps_.back().required();
    }
  }
  std::optional<direct_program> of(rank me) const {
    auto direct = lower_directly(schedules_, maps_, me.value);
    if (direct) direct->streams = bytes_ >= streamed_bytes;
    return direct;
  }

 private:
  std::vector<schedule> schedules_;
  std::vector<chunk_map> maps_;
  std::size_t bytes_ = 0;
};

inline std::optional<direct_program> prepare_direct(const call_shape& c, const team& all, rank me) { return direct_forms(c, all).of(me); }

static_assert(relayed_bytes == board_memory::page_bytes);

/// The form of a call in which all show what they have piece by piece.
inline std::optional<relay_program> prepare_relayed(const call_shape& c, const team& all, rank me) {
  if (!may_relay(c, all, c.algorithm)) return std::nullopt;
  const direct_forms forms(c, all);
  std::vector<direct_program> team;
  for (rank r{0}; r.value < all.size; ++r.value) {
    auto one = forms.of(r);
    if (!one) return std::nullopt;
    team.push_back(*std::move(one));
  }
  return relay(team, me.value, board_memory::page_bytes, c.element);
}

/// The form of a call in which all show what they have: where that is little,
/// and the algorithm's steps read nothing else.
inline std::optional<direct_program> prepare_shown(const call_shape& c, const team& all, rank me) {
  if (!may_show(c, all, c.algorithm)) return std::nullopt;
  if (c.what == collective::barrier) {
    direct_program p;
    const schedule s = make_schedule(c.what, c.algorithm, all, me);
    for (const step& next : s.steps)
      if (next.what == verb::send) p.sends.push_back({next.peer.value, 0});
    p.reads.resize(static_cast<std::size_t>(all.size));
    return p;
  }
  std::optional<direct_program> p = prepare_direct(c, all, me);
  // Nobody else reads what a root has that all others send to.
  if (p && round_of(c.what) == round_kind::to_root && me.value == c.root) p->input_bytes = 0;
  return p;
}

/// Whether its passes take one slice together.
inline bool is_brief(const direct_program& p) {
  std::size_t bytes = 0;
  for (const direct_pass& pass : p.passes) bytes += pass.bytes;
  return !p.streams && bytes <= direct_execution::slice_bytes;
}

/// Everyone tells everyone `bytes` bytes of the library's own, or none.
inline program tell_all(const team& all, rank me, std::size_t bytes) {
  chunk_map map{.bounds = {}, .held_begin = me.value, .held_end = me.value + 1, .required_begin = 0, .required_end = all.size};
  for (int i = 0; i <= all.size; ++i) map.bounds.push_back(static_cast<std::size_t>(i) * bytes);
  program p = lower(pairwise_all_gather(all, me), map);
  p.billed = false;
  return p;
}

/// All hear that all have come to the same call.
inline program all_agree(const team& all, rank me) {
  const call_shape nothing{.what = collective::barrier, .algorithm = all.hosts() > 1 ? algorithm::leaders : algorithm::dissemination};
  if (needs_proof(nothing.algorithm, all)) prove(nothing, all);
  const schedule barrier = make_schedule(nothing.what, nothing.algorithm, all, me);
  return lower(barrier, map_chunks(nothing, all, me, barrier.parts, false));
}

}  // namespace detail

/// Gives a call its schedule and its addresses. `algorithm` must have been chosen.
/// `directly`: the algorithm that takes its place where all ranks' buffers are
/// lent, if any. `in_rounds`: all have a billboard.
inline std::unique_ptr<prepared_call> prepare(const call_shape& c, const team& all, rank me, algorithm directly = algorithm::automatic,
                                              bool in_rounds = false) {
  auto p = std::make_unique<prepared_call>();
  p->kind = c.what;
  p->what.count = c.count;
  p->what.element = static_cast<std::uint32_t>(c.element);
  p->what.root = c.root;
  p->staging = c.staging;
  p->folded = c.folded;
  p->in_place = c.in_place;
  detail::put_name(p->what.kind, name_of(c));
  detail::put_name(p->what.algorithm, name_of(c.algorithm));
  detail::put_name(p->what.type, c.type);
  detail::put_name(p->what.operation, c.operation);
  if (c.uneven) detail::keep_counts(*p, c, all);
  // The whole names, and all counts: calls may differ only in what does not travel.
  p->shape = detail::mix(detail::mix(detail::mix(fingerprint(p->what), c.type), c.operation), p->shape);

  if (detail::needs_proof(c.algorithm, all)) detail::prove(c, all);
  p->in_rounds = in_rounds && (!c.by_pair() || (c.what == collective::all_to_all && shown_exchange::has_room(static_cast<std::size_t>(all.size), 0)));
  if (p->in_rounds) p->shown = detail::prepare_shown(c, all, me);
  p->numbered = p->what;
  if (p->shown) {
    p->agree_first = true;
    return p;
  }
  if (p->in_rounds) p->relayed = detail::prepare_relayed(c, all, me);
  const schedule s = make_schedule(c.what, c.algorithm, all, me, {c.root < 0 ? 0 : c.root});
  const bool writes = c.what != collective::barrier && all.size > 2;
  const bool small = vector_bytes(c, all) <= detail::staged_bytes;
  // In place, an output that is no part of the input's chunks would overwrite it.
  const bool staged = (writes && small && !c.by_pair()) || c.in_place;
  if (!p->relayed) p->body = lower(s, detail::map_chunks(c, all, me, s.parts, staged));
  p->agree_first = p->relayed || (c.by_pair() ? all.size > 1 : writes && !small);
  if (directly != algorithm::automatic && !small && all.size > 1 && all.size <= detail::proved_when_made) {
    call_shape lent = c;
    lent.algorithm = directly;
    if (detail::needs_proof(directly, all)) detail::prove(lent, all);
    p->lent = detail::prepare_direct(lent, all, me);
    p->lent_briefly = p->in_rounds && p->lent && !c.by_pair() && !c.in_place && detail::is_brief(*p->lent);
  }
  if (c.by_pair()) {
    if (!p->in_rounds) p->agreement = detail::pair_agreement(c, all, me);
  } else if (p->lent) {
    p->agree_first = true;
    if (!p->in_rounds) {
      p->agreement = detail::tell_all(all, me, sizeof(loan_offer));
      p->closing = detail::tell_all(all, me, 0);
    }
  } else if (p->agree_first && !p->in_rounds) {
    p->agreement = detail::all_agree(all, me);
  }
  return p;
}

/// The same of several calls issued as one; `asked` as their callers wrote them.
inline std::unique_ptr<prepared_call> prepare_together(span<const call_shape> calls, span<const call_shape> asked, const team& all, rank me,
                                                       bool in_rounds) {
  auto p = std::make_unique<prepared_call>();
  std::vector<const program*> bodies;
  std::string names;
  std::size_t end = 0;
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const prepared_call& part = *p->parts.emplace_back(prepare(calls[i], all, me));
    p->parts.back()->begin = end;
    end += prepared_call::lines(part.scratch_bytes());
    p->agree_first |= part.agree_first;
    p->shape = detail::mix(detail::mix(p->shape, part.shape), calls[i].pieces);
    p->what.count += calls[i].count;
    names += (i > 0 ? " " : "") + name_of(calls[i]);
    bodies.push_back(&part.body);
    p->shapes.push_back(asked[i]);
    if (!asked[i].counts.empty()) p->shapes.back().counts = part.counts;
  }
  p->body = joined(bodies);
  p->kind = calls[0].what;
  p->what.element = 1;
  detail::put_name(p->what.kind, "together");
  detail::put_name(p->what.algorithm, "as one");
  detail::put_name(p->what.type, "elements");
  detail::put_name(p->what.operation, names);
  p->shape = detail::mix(fingerprint(p->what), p->shape);
  p->in_rounds = in_rounds;
  if (p->agree_first && !in_rounds) p->agreement = detail::all_agree(all, me);
  return p;
}

}  // namespace tutti
