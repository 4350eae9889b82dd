#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/log.hpp>
#include <tutti/comm/operation_queue.hpp>

// Why does an operation not go on? Each of these looks at one possible reason
// and, where it holds, makes it the session's verdict.

namespace tutti::detail {

/// Where and for whom an operation waits.
struct waiting_operation {
  fabric& joined;
  operation_queue& queue;
  operation& what;
  int world_rank = 0;

  unsigned long long number() const { return what.what.number; }
  std::uint64_t id() const { return queue.id(what.what.number); }
  std::string among() const { return of_communicator(queue.key(), queue.members()); }
  int member(std::size_t peer) const { return queue.members()[peer]; }
};

/// What a communicator's last messages and operations were, `t` seconds after the clock began.
inline std::string last_of(operation_queue& q, double t) {
  std::string text = q.messages->last(t);
  const auto records = q.recorder().read();
  if (records.empty()) return text;
  text += format("\n  the last %zu operations%s:", records.size(), of_communicator(q.key(), q.members()).c_str());
  std::size_t unfinished = 0;
  for (const operation_record& r : records) {
    text += "\n    " + describe(r, t);
    unfinished += r.is == operation_record::state::running;
  }
  if (const std::size_t all = q.length(); all > unfinished) text += format("\n    and %zu that had not begun", all - unfinished);
  return text;
}

inline void log_end(const operation_queue& q, const operation_record& r) {
  log(log_level::trace, format("%s %llu%s: %s: %s after %.1f us", is_message(r.what) ? "message" : "operation",
                               static_cast<unsigned long long>(r.number), of_communicator(q.key(), q.members()).c_str(), describe(r.what).c_str(),
                               r.is == operation_record::state::done ? "done" : "failed", 1e6 * (r.ended - r.begun)));
}

/// That, for what a rank did or did not do, is the session's verdict.
inline void blame(const waiting_operation& w, errc code, int rank, const std::string& why) {
  verdict v{.code = code, .rank = rank, .operation = w.id()};
  v.say(why);
  w.joined.declare(v);
}

/// In what two calls differ besides what describes them, so far as is known: mostly counts.
inline std::string further_difference(const waiting_operation& w, int peer, const call& mine, const call& theirs) {
  const prepared_call& how = *w.what.plan;
  if (mine.number == theirs.number && describe(mine) == describe(theirs) && how.counts.empty()) return "; they differ in what these words do not say, or called different things before";
  if (how.counts.empty() || mine.number != w.number() || mine.number != theirs.number || std::strcmp(mine.kind, theirs.kind) != 0) return "";
  auto number = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
  if (how.pairs.from) {
    if (mine.root != theirs.root || mine.element != theirs.element || std::strcmp(mine.type, theirs.type) != 0) return "";
    int from = w.member(static_cast<std::size_t>(peer)), to = w.world_rank;
    std::uint64_t sent = theirs.count, expected = how.pairs.from[peer];
    if (how.kind == collective::scatter) {  // the root is told first what the others expect
      std::swap(from, to);
      std::swap(sent, expected);
    }
    return format("; rank %d sends %llu elements to rank %d, which expects %llu", from, number(sent), to, number(expected));
  }
  const std::uint64_t by = theirs.count - mine.count, weighed = theirs.counts - mine.counts;
  if (by == 0 && weighed == 0) return "";
  for (std::size_t r = 0; by != 0 && r < how.counts.size(); ++r)
    if (count_weight(r) * by == weighed)
      return format("; the count of rank %d is %llu to rank %d and %llu to rank %d", w.member(r), number(how.counts[r]), w.world_rank,
                    number(how.counts[r] + by), w.member(static_cast<std::size_t>(peer)));
  return "; the counts of several ranks differ";
}

/// `mine` may be of number 0: it is not known any more.
inline std::string what_they_called(int rank, const call& mine, int other, const call& theirs) {
  const auto number = [](const call& c) { return static_cast<unsigned long long>(c.number); };
  const std::string of_other = format("rank %d called %s as operation %llu", other, describe(theirs).c_str(), number(theirs));
  if (mine.number == 0) return "ranks called different things: " + of_other + format(", rank %d something else", rank);
  return format("ranks called different things: rank %d called %s as operation %llu, ", rank, describe(mine).c_str(), number(mine)) + of_other;
}

/// A peer is in another call, or was: all that follows differs with it, and what
/// is told is where it began.
inline void declare_mismatch(const waiting_operation& w, int peer, call theirs) {
  call mine = w.what.what;
  const envelope* unread = w.queue.channels().from(peer).peek();
  if (const billboard* board = w.queue.channels().board())
    if (const auto first = board->first_parting(peer)) mine = first->mine, theirs = first->theirs;
  if (unread && unread->what->number < std::min(mine.number, theirs.number)) theirs = *unread->what;
  const int member = w.member(static_cast<std::size_t>(peer));
  verdict v{.code = errc::mismatch, .rank = member,
            .operation = w.queue.id(mine.number < theirs.number ? mine.number : theirs.number)};
  v.say(what_they_called(w.world_rank, mine, member, theirs) + w.among() + further_difference(w, peer, mine, theirs));
  w.joined.declare(v);
}

/// Whether a peer called something else than this rank did, of which nobody has heard,
/// since in that call, and in all after it, neither waited for the other: ranks that name
/// different roots. To be asked once nothing is under way; `issued` operations have ended.
/// Of two that show each other what they call and both ask, one at least finds it; of two
/// that send messages, who has taken one in that it did not expect. Returns what it has
/// made the session's verdict.
inline std::optional<verdict> look_back(fabric& joined, operation_queue& queue, int world_rank, std::uint64_t issued) {
  if (joined.board().any() || issued == 0) return std::nullopt;
  link& channels = queue.channels();
  const billboard* const board = channels.board();
  // Between what this rank has shown and its look at what the other has, which does the same.
  if constexpr (!under_thread_sanitizer) std::atomic_thread_fence(std::memory_order_seq_cst);
  for (int peer = 0; peer < static_cast<int>(queue.members().size()); ++peer) {
    if (channels.kind(peer) == link_kind::self) continue;
    call mine{}, theirs{};
    const envelope* const unread = channels.from(peer).peek();
    if (const auto first = board ? board->first_parting(peer) : std::nullopt) {
      mine = first->mine, theirs = first->theirs;
    } else if (unread && unread->what->number <= issued) {
      theirs = *unread->what;
      for (const operation_record& r : queue.recorder().read())
        if (r.number == theirs.number) mine = r.what, mine.number = r.number;
    } else {
      continue;
    }
    const int member = queue.members()[static_cast<std::size_t>(peer)];
    const std::uint64_t first = mine.number > 0 ? std::min(mine.number, theirs.number) : theirs.number;
    verdict v{.code = errc::mismatch, .rank = member, .operation = queue.id(first)};
    v.say(what_they_called(world_rank, mine, member, theirs) + of_communicator(queue.key(), queue.members()));
    joined.declare(v);
    return v;
  }
  return std::nullopt;
}

/// The operation's functor threw.
inline void declare_throw(const waiting_operation& w, const char* why) {
  blame(w, errc::rank_failed, w.world_rank,
        format("rank %d: operation %llu%s (%s) threw: %s", w.world_rank, w.number(), w.among().c_str(),
               describe(w.what.what).c_str(), why));
}

/// Part of what a peer sent is lost.
inline void declare_lost(const waiting_operation& w, int peer) {
  const int member = w.member(static_cast<std::size_t>(peer));
  blame(w, errc::link, member,
        format("what rank %d sent to rank %d is lost; operation %llu%s could not be completed", member, w.world_rank,
               w.number(), w.among().c_str()));
}

/// The link itself failed.
inline void declare_link(const waiting_operation& w, const error& e) {
  blame(w, errc::link, e.rank(),
        format("rank %d: %s; operation %llu%s could not be completed", w.world_rank, e.what(), w.number(), w.among().c_str()));
}

/// Peers whose call can be seen to be another, or that sent something of
/// another where this one expects nothing from them: ranks that name different
/// roots wait so for each other.
inline void look_for_strangers(const waiting_operation& w) {
  link& channels = w.queue.channels();
  if (!w.what.told) {
    w.what.told = true;
    channels.tell(w.what.what, w.what.plan->shape);
  }
  for (std::size_t p = 0; p < w.queue.members().size(); ++p) {
    const int peer = static_cast<int>(p);
    if (channels.kind(peer) == link_kind::self) continue;
    const rank_status* s = channels.status_of(peer);
    if (s)
      if (const auto theirs = s->astray(w.what.what.number, w.what.plan->shape)) return declare_mismatch(w, peer, *theirs);
    if (const billboard* board = channels.board())
      if (const auto ahead = board->seen_ahead(peer); ahead && ahead->fingerprint != w.what.mark.fingerprint && ahead->what.number <= w.what.what.number)
        return declare_mismatch(w, peer, ahead->what);
    const envelope* next = channels.from(peer).peek();
    if (next && next->fingerprint != w.what.data.pairs.mark_from(peer, w.what.mark.fingerprint) && next->what->number <= w.what.what.number)
      return declare_mismatch(w, peer, *next->what);
  }
}

/// "rank 3, which lives", "ranks 0, 2, 3, which live"; of many the first ones.
inline std::string living(const std::vector<int>& ranks) {
  return (ranks.size() == 1 ? "rank " : "ranks ") + list_ranks(ranks) + (ranks.size() == 1 ? ", which lives" : ", which live");
}

/// A peer that has left, or, once the deadline has passed, that has not come.
inline void look_for_missing(const waiting_operation& w, double deadline) {
  const double t = now();
  if (w.what.waits_since == 0) w.what.waits_since = t;
  if (w.what.body.lost_from() >= 0 && lost_for_long(w.what.lost_since, t)) return declare_lost(w, w.what.body.lost_from());
  const bool late = t - w.what.waits_since > deadline;
  std::vector<int> missing;
  for (std::size_t p = 0; p < w.queue.members().size(); ++p) {
    const rank_status* s = w.queue.channels().status_of(static_cast<int>(p));
    if (!s) continue;
    if (s->left.load(std::memory_order_acquire) && s->completed.load(std::memory_order_relaxed) < w.what.what.number) {
      // Whoever goes by an exception says so once its communicators are gone.
      if (!lost_for_long(w.what.lost_since, t)) return;
      return blame(w, errc::rank_failed, w.member(p),
            format("rank %d left the communicator before operation %llu%s (%s)", w.member(p), w.number(),
                   w.among().c_str(), describe(w.what.what).c_str()));
    }
    if (late && s->entered.load(std::memory_order_relaxed) < w.what.what.number)
      missing.push_back(w.member(p));
  }
  if (!late) return;
  if (missing.empty()) {
    // All have come, and still it does not end.
    const int peer = w.what.waits_for();
    const int awaited = peer < 0 ? w.world_rank : w.member(static_cast<std::size_t>(peer));
    return blame(w, errc::deadline, awaited,
          format("operation %llu%s (%s) did not end within %g s, though every rank has joined it; it waits for rank %d",
                 w.number(), w.among().c_str(), describe(w.what.what).c_str(), deadline, awaited));
  }
  blame(w, errc::deadline, missing.front(),
        format("operation %llu%s (%s) was not joined within %g s by %s", w.number(), w.among().c_str(),
               describe(w.what.what).c_str(), deadline, living(missing).c_str()));
}

/// Does what may throw what a user's operation throws, which must not tear the
/// thread down, nor leave the others waiting: it is the session's verdict, and the
/// answer false.
template <class Body>
bool guarded(const waiting_operation& w, Body body) {
  try {
    body();
    return true;
  } catch (const error& e) {
    if (e.code() == errc::link) declare_link(w, e);
    else declare_throw(w, e.what());
  } catch (const std::exception& e) {
    declare_throw(w, e.what());
  } catch (...) {
    declare_throw(w, "something that is no std::exception");
  }
  w.what.broken = true;
  return false;
}

}  // namespace tutti::detail
