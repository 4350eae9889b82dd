#pragma once
#include <cstddef>
#include <vector>

#include <tutti/analysis/proof.hpp>
#include <tutti/schedule/step.hpp>

namespace tutti {

/// The steps of a whole team under one numbering, and what each waits for.
/// Memory and time are proportional to the steps and the chunks they name,
/// plus the square of the team's size.
class step_graph {
 public:
  /// Of one schedule a rank. Look at `fault()` before anything else.
  constexpr explicit step_graph(const std::vector<schedule>& team) : team_(&team) {
    begin_.push_back(0);
    for (const schedule& s : team) begin_.push_back(begin_.back() + static_cast<int>(s.steps.size()));
    rank_of_.resize(at(size()), 0);
    for (int r = 0; r < ranks(); ++r)
      for (int s = begin_[at(r)]; s < begin_[at(r) + 1]; ++s) rank_of_[at(s)] = r;
    for (int r = 0; fault_.ok && r < ranks(); ++r) check(r);
    if (!fault_.ok) return;
    const auto steps = static_cast<std::size_t>(size());
    match_.resize(steps, -1);
    waits_.resize(steps, 0);
    edges_of_.resize(steps, -1);
    meet();
    for (int r = 0; fault_.ok && r < ranks(); ++r) order(r);
  }

  constexpr const proof& fault() const { return fault_; }
  constexpr int ranks() const { return static_cast<int>(team_->size()); }
  constexpr int size() const { return begin_.back(); }
  constexpr int number(rank r, int step) const { return begin_[at(r.value)] + step; }
  constexpr rank rank_of(int number) const { return {rank_of_[at(number)]}; }
  constexpr int index(int number) const { return number - begin_[at(rank_of_[at(number)])]; }
  constexpr const step& operator[](int number) const {
    return (*team_)[at(rank_of_[at(number)])].steps[at(index(number))];
  }
  /// The receive of a send, the send of a receive; −1 for a copy.
  constexpr int match(int number) const { return match_[at(number)]; }
  /// How many steps of its own rank a step waits for, counted once for each reason.
  constexpr int waits(int number) const { return waits_[at(number)]; }
  /// Calls `visit(later)` for every reason why a later step waits for this one.
  template <class Visit>
  constexpr void for_each_waiting(int number, Visit visit) const {
    for (int e = edges_of_[at(number)]; e >= 0; e = edges_[at(e)].next) visit(edges_[at(e)].to);
  }

  /// Runs every step as soon as it may, with nothing buffered: a send and its
  /// receive complete together once both are ready. Calls
  /// `visit(sent, done, row)` for each, `sent` −1 for a copy; rows count from 0.
  /// As no step can make another unready, any other order of completion ends
  /// the same way. Returns the first step that can never complete, or −1.
  template <class Visit>
  constexpr int run(Visit visit) const {
    std::vector<int> waits = waits_, ready, row(at(size()), 0);
    std::vector<char> is_ready(at(size()), 0), is_done(at(size()), 0);
    ready.reserve(at(size()));
    for (int s = 0; s < size(); ++s)
      if (waits[at(s)] == 0) ready.push_back(s);
    for (std::size_t next = 0; next < ready.size(); ++next) {
      const int s = ready[next], other = match(s);
      is_ready[at(s)] = 1;
      if (other >= 0 && is_ready[at(other)] == 0) continue;
      int now = row[at(s)];
      if (other >= 0 && row[at(other)] > now) now = row[at(other)];
      const bool sends = other >= 0 && (*this)[s].what == verb::send;
      visit(sends ? s : other, sends ? other : s, now);
      for (int finished : {s, other}) {
        if (finished < 0) continue;
        is_done[at(finished)] = 1;
        for_each_waiting(finished, [&](int later) {
          if (row[at(later)] <= now) row[at(later)] = now + 1;
          if (--waits[at(later)] == 0) ready.push_back(later);
        });
      }
    }
    for (int s = 0; s < size(); ++s)
      if (is_done[at(s)] == 0) return s;
    return -1;
  }

 private:
  struct edge {
    int to = 0, next = -1;
  };

  static constexpr std::size_t at(int i) { return static_cast<std::size_t>(i); }

  constexpr void fail(flaw found, int r, int step, chunk where = {}) {
    if (fault_.ok) fault_ = {.ok = false, .found = found, .who = {r}, .step = step, .where = where};
  }

  /// Everything that can be said of a step alone.
  constexpr void check(int r) {
    const schedule& s = (*team_)[at(r)];
    const schedule& model = team_->front();
    if (s.parts < 1 || s.scratch < 0 || s.parts != model.parts || s.equal_chunks != model.equal_chunks ||
        s.exchanges != model.exchanges || (s.exchanges && s.parts % (2 * ranks()) != 0))
      return fail(flaw::parts, r, -1);
    const int limit = s.parts + s.scratch;
    auto exists = [&](chunks c) {
      const int first = c.first.value, last = first + c.count - 1;
      return c.count > 0 && first >= 0 && last < limit && (first >= s.parts || last < s.parts);
    };
    auto overlap = [](chunks a, chunks b) {
      return a.first.value < b.first.value + b.count && b.first.value < a.first.value + a.count;
    };
    for (int i = 0; i < static_cast<int>(s.steps.size()); ++i) {
      const step& now = s.steps[at(i)];
      if (!is_local(now.what) && (now.peer.value < 0 || now.peer.value >= ranks() || now.peer.value == r))
        return fail(flaw::peer, r, i);
      if (!exists(now.where)) return fail(flaw::chunks, r, i, now.where.first);
      if (!has_operand(now.what)) continue;
      if (!exists(now.with) || !as_long(r, now.with, r, now.where)) return fail(flaw::chunks, r, i, now.with.first);
      const bool in_place = now.what == verb::recv_reduce && now.with == now.where;
      if (!in_place && overlap(now.with, now.where)) return fail(flaw::chunks, r, i, now.with.first);
    }
  }

  /// What rank `from` has for rank `to`, where chunks are exchanged.
  struct traded {
    int from = 0, to = 0, part = 0;
    friend constexpr bool operator==(traded, traded) = default;
  };
  constexpr traded trade(int r, int c) const {
    const int in_vector = team_->front().parts / 2, in_block = in_vector / ranks();
    const int block = c % in_vector / in_block, part = c % in_block;
    return c < in_vector ? traded{r, block, part} : traded{block, r, part};
  }

  /// Whether chunks of two ranks, or of one, are as long in every call.
  constexpr bool as_long(int r, chunks a, int q, chunks b) const {
    const schedule& any = team_->front();
    if (a.count != b.count || any.equal_chunks) return a.count == b.count;
    for (int i = 0; i < (any.exchanges ? a.count : 1); ++i) {
      const int one = (a.first.value + i) % any.parts, other = (b.first.value + i) % any.parts;
      if (one != other && !any.exchanges) return false;
      if (any.exchanges && trade(r, one) != trade(q, other)) return false;
    }
    return true;
  }

  /// The k-th send from a to b meets the k-th receive at b from a.
  constexpr void meet() {
    const int p = ranks();
    std::vector<int> expected(at(p) * at(p), -1), last = expected, after(at(size()), -1);
    for (int b = 0; b < p; ++b)
      for (int i = 0; i < count(b); ++i) {
        const step& now = (*team_)[at(b)].steps[at(i)];
        if (now.what != verb::recv && now.what != verb::recv_reduce) continue;
        const std::size_t pair = at(now.peer.value) * at(p) + at(b);
        const int me = begin_[at(b)] + i;
        if (expected[pair] < 0)
          expected[pair] = me;
        else
          after[at(last[pair])] = me;
        last[pair] = me;
      }
    for (int a = 0; a < p; ++a)
      for (int i = 0; i < count(a); ++i) {
        const step& now = (*team_)[at(a)].steps[at(i)];
        if (now.what != verb::send) continue;
        const std::size_t pair = at(a) * at(p) + at(now.peer.value);
        const int me = begin_[at(a)] + i, other = expected[pair];
        if (other < 0) return fail(flaw::unmatched, a, i, now.where.first);
        const step& theirs = (*team_)[at(now.peer.value)].steps[at(other - begin_[at(now.peer.value)])];
        if (!as_long(a, now.where, now.peer.value, theirs.where)) return fail(flaw::mismatched, a, i, now.where.first);
        match_[at(me)] = other;
        match_[at(other)] = me;
        expected[pair] = after[at(other)];
      }
    for (int b = 0; b < p; ++b)
      for (int i = 0; i < count(b); ++i) {
        const step& now = (*team_)[at(b)].steps[at(i)];
        if (!is_local(now.what) && match_[at(begin_[at(b)] + i)] < 0)
          return fail(flaw::unmatched, b, i, now.where.first);
      }
  }

  /// A step waits for those that touched its chunks before, one of the two
  /// writing, and for the one before with the same peer in the same direction.
  constexpr void order(int r) {
    const schedule& s = (*team_)[at(r)];
    const auto limit = at(s.parts + s.scratch);
    std::vector<int> writer(limit, -1), readers(limit, -1), sent(at(ranks()), -1), received = sent;
    std::vector<edge> reader_list;
    for (int i = 0; i < count(r); ++i) {
      const step& now = s.steps[at(i)];
      const int me = begin_[at(r)] + i;
      int before = -1;
      auto wait_for = [&](int earlier) {
        if (earlier < 0 || earlier == before) return;
        before = earlier;
        edges_.push_back({.to = me, .next = edges_of_[at(earlier)]});
        edges_of_[at(earlier)] = static_cast<int>(edges_.size()) - 1;
        ++waits_[at(me)];
      };
      if (!is_local(now.what)) {
        int& previous = (now.what == verb::send ? sent : received)[at(now.peer.value)];
        wait_for(previous);
        previous = me;
      }
      const bool writes = now.what != verb::send;
      const bool in_place = now.what == verb::recv_reduce && now.with == now.where;
      if (now.what != verb::recv && !in_place) {
        const chunks read = now.what == verb::send ? now.where : now.with;
        for (int c = read.first.value; c < read.first.value + read.count; ++c) {
          wait_for(writer[at(c)]);
          reader_list.push_back({.to = me, .next = readers[at(c)]});
          readers[at(c)] = static_cast<int>(reader_list.size()) - 1;
        }
      }
      if (!writes) continue;
      for (int c = now.where.first.value; c < now.where.first.value + now.where.count; ++c) {
        wait_for(writer[at(c)]);
        for (int e = readers[at(c)]; e >= 0; e = reader_list[at(e)].next) wait_for(reader_list[at(e)].to);
        readers[at(c)] = -1;
        writer[at(c)] = me;
      }
    }
  }

  constexpr int count(int r) const { return begin_[at(r) + 1] - begin_[at(r)]; }

  const std::vector<schedule>* team_;
  std::vector<int> begin_, rank_of_, match_, waits_, edges_of_;
  std::vector<edge> edges_;
  proof fault_;
};

}  // namespace tutti
