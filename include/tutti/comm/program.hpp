#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/schedule/step.hpp>

namespace tutti {

/// Which of a call's three memories a segment stands in.
enum class memory_role : std::uint8_t {
  input, output, scratch,
  sums,  ///< scratch too, for elements as they are folded, where that is not as they travel
};

struct location {
  memory_role role = memory_role::input;
  std::size_t offset = 0;  ///< bytes, of elements as they travel
};

/// Part of a step whose bytes stand in one piece of memory.
struct segment {
  verb what = verb::send;
  side incoming = side::left;
  bool token = false;  ///< no bytes, but a piece travels all the same
  int peer = 0;
  std::uint32_t part = 0;  ///< of several calls issued as one, which
  std::size_t bytes = 0;
  location target{};   ///< what is sent, or written
  location operand{};  ///< of recv_reduce, copy and fold
  location own{};      ///< of fold: what `operand` is folded with
  std::uint32_t waits_begin = 0, waits_end = 0;
};

/// A segment waits for an earlier one: for as many bytes as it wants to use itself
/// where both go over the same chunks, else for all of it.
struct wait_for {
  std::uint32_t earlier = 0;  ///< index
  bool streams = false;
};

/// The segments with one peer in one direction, in order.
struct segment_queue {
  std::uint32_t begin = 0, end = 0;  ///< in `program::order`
};

/// A schedule with addresses: what `execution` interprets. Made once for each
/// shape of a call.
struct program {
  std::vector<segment> segments;
  std::vector<wait_for> waits;
  std::vector<std::uint32_t> order;
  std::vector<segment_queue> queues;
  std::vector<segment> last_copies;  ///< into the output, once all else is done
  std::size_t scratch_bytes = 0;
  std::size_t sums_bytes = 0;    ///< as `location::offset` counts them
  std::size_t sent_bytes = 0;    ///< payload, all peers together: the bill
  bool billed = true;            ///< false: what travels is the library's own
};

/// How a vector's chunks lie in the memories of one rank.
struct chunk_map {
  std::vector<std::size_t> bounds;  ///< bytes; parts + 1 of them
  int held_begin = 0, held_end = 0;          ///< chunks that the input holds
  int required_begin = 0, required_end = 0;  ///< chunks that the output must hold
  bool staged = false;  ///< keep the output untouched until all else is done
  bool sums = false;    ///< keep what is only folded with more as it is folded

  /// Bytes of the input, and of the output.
  std::size_t held() const { return bytes(held_begin, held_end); }
  std::size_t required() const { return bytes(required_begin, required_end); }

  std::size_t bytes(int begin, int end) const { return bounds[static_cast<std::size_t>(end)] - bounds[static_cast<std::size_t>(begin)]; }
};

namespace detail {

// What is local waits for nobody's turn: each is a queue of its own.
inline void sort_into_queues(program& p) {
  struct key {
    int peer;
    bool sends;
  };
  std::vector<key> keys;
  std::vector<std::vector<std::uint32_t>> members;
  for (std::uint32_t r = 0; r < p.segments.size(); ++r) {
    const segment& next = p.segments[r];
    const key mine{is_local(next.what) ? -1 : next.peer, next.what == verb::send};
    std::size_t k = is_local(next.what) ? keys.size() : 0;
    while (k < keys.size() && (keys[k].peer != mine.peer || keys[k].sends != mine.sends)) ++k;
    if (k == keys.size()) {
      keys.push_back(mine);
      members.emplace_back();
    }
    members[k].push_back(r);
  }
  for (const auto& queue : members) {
    const auto begin = static_cast<std::uint32_t>(p.order.size());
    p.order.insert(p.order.end(), queue.begin(), queue.end());
    p.queues.push_back({begin, static_cast<std::uint32_t>(p.order.size())});
  }
}

class lowering {
 public:
  lowering(const schedule& s, const chunk_map& map)
      : schedule_(s), map_(map), chunks_(static_cast<std::size_t>(s.parts + s.scratch)) {
    place_chunks();
    for (std::size_t i = 0; i < s.steps.size(); ++i) lower(i);
    finish_output();
    sort_into_queues(program_);
  }

  program result() && { return static_cast<program&&>(program_); }

 private:
  /// The segments of one step, and the chunks that it used in one of two roles.
  struct user {
    std::uint32_t begin = 0, end = 0;
    chunks over{};
  };
  struct chunk_state {
    location home{};            // where it is written, but for sums
    location sum{};             // of these, of role `sums` once there was one
    location next{}, now{};     // where the step writes it, and has written it
    bool written = false;       // until then it is read from the input
    user writer{};              // the last; none where begin = end
    std::vector<user> readers;  // since then
  };

  std::size_t length(int c) const {
    auto part = static_cast<std::size_t>(c % schedule_.parts);
    return map_.bounds[part + 1] - map_.bounds[part];
  }
  chunk_state& at(int c) { return chunks_[static_cast<std::size_t>(c)]; }
  location in(memory_role role, int c, int first) const {
    return {role, map_.bounds[static_cast<std::size_t>(c)] - map_.bounds[static_cast<std::size_t>(first)]};
  }
  location readable(int c) { return at(c).written ? at(c).now : in(memory_role::input, c, map_.held_begin); }
  static bool covers(chunks range, int c) { return c >= range.first.value && c < range.first.value + range.count; }
  bool required(int c) const { return c >= map_.required_begin && c < map_.required_end; }
  static bool follows(location a, std::size_t bytes, location b) {
    return a.role == b.role && a.offset + bytes == b.offset;
  }

  // A chunk that must be there at the end is worked on in the output, any other
  // that is written at all in scratch.
  void place_chunks() {
    std::vector<bool> written(chunks_.size());
    for (const step& s : schedule_.steps)
      for (int i = 0; s.what != verb::send && i < s.where.count; ++i)
        written[static_cast<std::size_t>(s.where.first.value + i)] = true;
    for (int c = 0; c < static_cast<int>(chunks_.size()); ++c) {
      if (required(c) && !map_.staged) {
        at(c).home = in(memory_role::output, c, map_.required_begin);
      } else if (written[static_cast<std::size_t>(c)]) {
        at(c).home = {memory_role::scratch, program_.scratch_bytes};
        program_.scratch_bytes += length(c);
      }
    }
  }

  // Whether what step i leaves in a chunk is folded with more, and not used else.
  bool only_folded(std::size_t i, int c) const {
    bool folded = false;
    while (++i < schedule_.steps.size()) {
      const step& s = schedule_.steps[i];
      const bool here = covers(s.where, c), read = has_operand(s.what) && covers(s.with, c);
      if ((s.what == verb::send && here) || (s.what == verb::copy && read)) return false;
      folded |= read || (s.what == verb::fold && here);
      if (here) return folded;
    }
    return folded && !required(c);
  }

  location written_by(std::size_t i, int c) {
    chunk_state& state = at(c);
    const verb what = schedule_.steps[i].what;
    if (!map_.sums || (what != verb::recv_reduce && what != verb::fold) || !only_folded(i, c)) return state.home;
    if (state.sum.role != memory_role::sums) {
      state.sum = {memory_role::sums, program_.sums_bytes};
      program_.sums_bytes += length(c);
    }
    return state.sum;
  }

  void lower(std::size_t index) {
    const step& s = schedule_.steps[index];
    segment base{.what = s.what, .incoming = s.incoming, .peer = s.peer.value};
    base.waits_begin = static_cast<std::uint32_t>(program_.waits.size());
    collect_waits(s);
    base.waits_end = static_cast<std::uint32_t>(program_.waits.size());

    user mine{.begin = static_cast<std::uint32_t>(program_.segments.size())};
    for (int i = 0; i < s.where.count; ++i) {
      const int target = s.where.first.value + i, operand = s.with.first.value + i;
      base.bytes = length(target);
      if (base.bytes == 0) continue;
      base.target = s.what == verb::send ? readable(target) : (at(target).next = written_by(index, target));
      if (has_operand(s.what)) base.operand = readable(operand);
      if (s.what == verb::fold) base.own = readable(target);
      if (program_.segments.size() > mine.begin) {
        segment& last = program_.segments.back();
        if (follows(last.target, last.bytes, base.target) &&
            (!has_operand(s.what) || follows(last.operand, last.bytes, base.operand)) &&
            (s.what != verb::fold || follows(last.own, last.bytes, base.own))) {
          last.bytes += base.bytes;
          continue;
        }
      }
      program_.segments.push_back(base);
    }
    if (program_.segments.size() == mine.begin && !is_local(s.what)) {
      base.token = true;
      base.bytes = 0;
      program_.segments.push_back(base);
    }
    mine.end = static_cast<std::uint32_t>(program_.segments.size());
    // In several segments, byte positions no longer agree with those of other steps.
    if (mine.end - mine.begin > 1)
      for (std::uint32_t w = base.waits_begin; w < base.waits_end; ++w) program_.waits[w].streams = false;
    if (s.what == verb::send)
      for (std::uint32_t r = mine.begin; r < mine.end; ++r) program_.sent_bytes += program_.segments[r].bytes;
    update_chunks(s, mine);
  }

  void collect_waits(const step& s) {
    const std::size_t from = program_.waits.size();
    auto wait = [&](const user& earlier, chunks mine) {
      const bool streams = earlier.end - earlier.begin == 1 && earlier.over == mine;
      for (std::uint32_t r = earlier.begin; r < earlier.end; ++r) {
        std::size_t w = from;
        while (w < program_.waits.size() && program_.waits[w].earlier != r) ++w;
        if (w < program_.waits.size()) program_.waits[w].streams &= streams;
        else program_.waits.push_back({r, streams});
      }
    };
    for (int i = 0; i < s.where.count; ++i) {
      chunk_state& c = at(s.where.first.value + i);
      wait(c.writer, s.where);
      if (s.what != verb::send)
        for (const user& reader : c.readers) wait(reader, s.where);
    }
    for (int i = 0; has_operand(s.what) && i < s.with.count; ++i) wait(at(s.with.first.value + i).writer, s.with);
  }

  void update_chunks(const step& s, user mine) {
    mine.over = s.with;
    for (int i = 0; has_operand(s.what) && i < s.with.count; ++i) at(s.with.first.value + i).readers.push_back(mine);
    mine.over = s.where;
    for (int i = 0; i < s.where.count; ++i) {
      chunk_state& c = at(s.where.first.value + i);
      if (s.what == verb::send) {
        c.readers.push_back(mine);
      } else {
        c.readers.clear();
        c.writer = mine;
        c.now = c.next;
        c.written = true;
      }
    }
  }

  void finish_output() {
    for (int c = map_.required_begin; c < map_.required_end; ++c) {
      const location from = readable(c), to = in(memory_role::output, c, map_.required_begin);
      const std::size_t bytes = length(c);
      if (bytes == 0 || from.role == memory_role::output) continue;
      auto& copies = program_.last_copies;
      if (!copies.empty() && follows(copies.back().target, copies.back().bytes, to) &&
          follows(copies.back().operand, copies.back().bytes, from))
        copies.back().bytes += bytes;
      else
        copies.push_back({.what = verb::copy, .bytes = bytes, .target = to, .operand = from});
    }
  }

  const schedule& schedule_;
  const chunk_map& map_;
  std::vector<chunk_state> chunks_;
  program program_;
};

}  // namespace detail

/// Gives a schedule its addresses. Cost: time and memory in proportion to the
/// steps, times the chunks that each covers.
inline program lower(const schedule& s, const chunk_map& map) { return detail::lowering(s, map).result(); }

/// Several programs as one, none of which waits for another but that what passes
/// between two ranks passes in their order. As each waits for what is before it
/// only, they end where each would alone.
inline program joined(const std::vector<const program*>& parts) {
  program all;
  for (std::uint32_t i = 0; i < parts.size(); ++i) {
    const auto segments = static_cast<std::uint32_t>(all.segments.size()), waits = static_cast<std::uint32_t>(all.waits.size());
    for (segment s : parts[i]->segments) {
      s.part = i;
      s.waits_begin += waits;
      s.waits_end += waits;
      all.segments.push_back(s);
    }
    for (wait_for w : parts[i]->waits) all.waits.push_back({w.earlier + segments, w.streams});
    for (segment s : parts[i]->last_copies) {
      s.part = i;
      all.last_copies.push_back(s);
    }
    all.sent_bytes += parts[i]->sent_bytes;
  }
  detail::sort_into_queues(all);
  return all;
}

}  // namespace tutti
