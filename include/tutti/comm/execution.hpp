#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <tutti/comm/program.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/fold.hpp>
#include <tutti/transport/port.hpp>

namespace tutti {

/// Anything that has the ports of a team.
template <class T>
concept port_source = requires(T& l, int peer) {
  { l.to(peer) } -> std::convertible_to<send_port&>;
  { l.from(peer) } -> std::convertible_to<recv_port&>;
};

/// How many elements go to each peer and come from each, where ranks agree on
/// that two by two; else null.
struct pair_counts {
  const std::size_t* to = nullptr;
  const std::size_t* from = nullptr;

  /// What comes from a peer in the operation of that fingerprint is marked so.
  std::uint64_t mark_from(int peer, std::uint64_t fingerprint) const {
    return from ? pair_mark(fingerprint, from[peer]) : fingerprint;
  }
};

/// The memories and the types of one call.
struct execution_data {
  const std::byte* input = nullptr;
  std::byte* output = nullptr;
  std::byte* scratch = nullptr;
  std::byte* sums = nullptr;
  std::size_t element = 1;    ///< bytes
  std::size_t alignment = 1;  ///< that the fold needs
  fold_function fold{};
  pair_counts pairs{};
};

/// Runs a program over a link: the one executor. It never waits: `progress`
/// does what can be done now, and is called until `done`.
class execution {
 public:
  /// `p` must outlive it. Allocates only where no earlier program was as
  /// long.
  void start(const program& p, const execution_data& data, const envelope& e) {
    alone_ = data;
    start(p, &alone_, 1, e);
  }
  /// The same of several calls issued as one: `data` of each, which must outlive it.
  void start(const program& p, const execution_data* data, std::size_t calls, const envelope& e) {
    program_ = &p;
    data_ = data;
    envelope_ = e;
    states_.assign(p.segments.size(), {});
    heads_.resize(p.queues.size());
    for (std::size_t q = 0; q < p.queues.size(); ++q) heads_[q] = p.queues[q].begin;
    open_queues_ = p.queues.size();
    if (assemblies_.size() < p.queues.size()) assemblies_.resize(p.queues.size());
    for (assembly& a : assemblies_) a.filled = 0;
    stranger_ = {};
    lost_from_ = -1;
    borrowed_ = false;
    sent_.assign(calls, {});
    if (open_queues_ == 0) finish();
  }

  /// Whether `start` would not allocate.
  bool has_room_for(const program& p, std::size_t calls = 1) const {
    return states_.capacity() >= p.segments.size() && heads_.capacity() >= p.queues.size() &&
           assemblies_.size() >= p.queues.size() && sent_.capacity() >= calls;
  }

  bool done() const { return open_queues_ == 0; }

  /// What links have taken of it so far, and of one of several calls.
  traffic sent() const {
    traffic all;
    for (const traffic& one : sent_) all += one;
    return all;
  }
  const traffic& sent(std::size_t call) const { return sent_[call]; }

  /// True where anything moved. Does nothing once a stranger was met.
  template <port_source Link>
  bool progress(Link& link) {
    bool moved = false;
    for (std::size_t q = 0; q < heads_.size() && !stranger_.met; ++q) {
      const segment_queue& queue = program_->queues[q];
      if (heads_[q] == queue.end) continue;
      while (heads_[q] != queue.end && advance(program_->order[heads_[q]], link, assemblies_[q])) {
        moved = true;
        const std::uint32_t index = program_->order[heads_[q]];
        if (!states_[index].complete) break;  // one piece at a time, so that sending and receiving take turns
        if (++heads_[q] == queue.end && --open_queues_ == 0) finish();
      }
    }
    return moved;
  }

  /// A peer that is in another operation than this one.
  struct stranger {
    bool met = false;
    int peer = -1;
    call what{};
  };
  const stranger& met() const { return stranger_; }

  /// Whether anything was read where a peer keeps it.
  bool borrowed() const { return borrowed_; }

  /// A peer part of whose data is lost, or −1.
  int lost_from() const { return lost_from_; }

  /// The first peer that an unfinished segment waits for, or −1.
  int waits_for() const {
    const segment* s = waiting();
    return s ? s->peer : -1;
  }
  /// In which of several calls.
  std::size_t waits_in() const {
    const segment* s = waiting();
    return s ? s->part : 0;
  }

 private:
  struct state {
    std::size_t offered = 0;  // bytes given to the sending port
    std::size_t done = 0;     // bytes that later segments may build upon
    bool complete = false;
  };
  // An element that arrives in several pieces, or where it may not be used.
  struct assembly {
    buffer<std::byte> bytes;
    std::size_t filled = 0;
  };

  // Whoever is to send comes before whoever cannot.
  const segment* waiting() const {
    const segment* found = nullptr;
    for (std::size_t q = 0; q < heads_.size(); ++q) {
      if (heads_[q] == program_->queues[q].end) continue;
      const segment& s = program_->segments[program_->order[heads_[q]]];
      if (s.what == verb::recv || s.what == verb::recv_reduce) return &s;
      if (!found) found = &s;
    }
    return found;
  }

  const execution_data& data(const segment& r) const { return data_[r.part]; }

  static const std::byte* readable(const execution_data& d, location l) {
    return l.role == memory_role::input ? d.input + l.offset : writable(d, l);
  }
  static std::byte* writable(const execution_data& d, location l) {
    return (l.role == memory_role::scratch ? d.scratch : d.output) + l.offset;
  }

  // How far the segment may go, or nothing where not even an empty piece may pass.
  static constexpr std::size_t blocked = static_cast<std::size_t>(-1);
  std::size_t limit(const segment& r) const {
    std::size_t bytes = r.bytes;
    for (std::uint32_t w = r.waits_begin; w < r.waits_end; ++w) {
      const wait_for& wait = program_->waits[w];
      const state& earlier = states_[wait.earlier];
      if (earlier.complete) continue;
      if (!wait.streams || earlier.done == 0) return blocked;
      if (earlier.done < bytes) bytes = earlier.done;
    }
    return bytes;
  }

  template <port_source Link>
  bool advance(std::uint32_t index, Link& link, assembly& part) {
    const segment& r = program_->segments[index];
    state& s = states_[index];
    const std::size_t until = limit(r);
    if (until == blocked) return false;
    switch (r.what) {
      case verb::send: return send(r, s, until, link.to(r.peer));
      case verb::recv:
      case verb::recv_reduce: return receive(r, s, until, link.from(r.peer), part);
      case verb::copy:
        if (until == s.done) return false;
        move(writable(data(r), r.target) + s.done, readable(data(r), r.operand) + s.done, until - s.done);
        s.done = until;
        s.complete = s.done == r.bytes;
        return true;
      case verb::fold: {
        const std::size_t element = data(r).element, bytes = (until - s.done) / element * element;
        if (bytes == 0) return false;
        fold_into(r, s.done, r.own, operand_at(data(r), r.operand, s.done), r.operand.role == memory_role::sums, bytes);
        s.done += bytes;
        s.complete = s.done == r.bytes;
        return true;
      }
    }
    return false;
  }

  bool send(const segment& r, state& s, std::size_t until, send_port& port) {
    bool moved = false;
    if (s.offered < until || r.token) {
      const std::byte* from = r.token ? nullptr : readable(data(r), r.target) + s.offered;
      const std::ptrdiff_t taken = send(r, from, until - s.offered, port);
      if (taken == send_port::full && r.token) return false;
      moved = taken != send_port::full;
      if (moved) {
        s.offered += static_cast<std::size_t>(taken);
        const std::size_t payload = program_->billed ? static_cast<std::size_t>(taken) : 0;
        sent_[r.part].add(payload);
        port.count(payload);
      }
    }
    const std::size_t before = s.done;
    if (port.in_flight > 0) port.settle();
    s.done = s.offered - port.in_flight;
    s.complete = s.done == r.bytes;
    return moved || s.done != before;
  }

  std::ptrdiff_t send(const segment& r, const std::byte* from, std::size_t bytes, send_port& port) const {
    const execution_data& d = data(r);
    envelope e = envelope_;
    e.element = static_cast<std::uint32_t>(d.element);
    if (!d.pairs.to) return port.send(from, bytes, e);
    call what = *e.what;
    what.count = d.pairs.to[r.peer];
    e.fingerprint = pair_mark(e.fingerprint, what.count);
    e.what = &what;
    return port.send(from, bytes, e);
  }

  bool receive(const segment& r, state& s, std::size_t until, recv_port& port, assembly& part) {
    const std::uint64_t expected = data(r).pairs.mark_from(r.peer, envelope_.fingerprint);
    const bool folds = r.what == verb::recv_reduce && !r.token;
    const std::size_t room = until - s.done - part.filled;
    std::byte* target = folds || r.token ? nullptr : writable(data(r), r.target) + s.done;
    port.expected = expected;
    const piece* next = port.receive(target, room);
    if (!next) {
      if (port.broken) lost_from_ = r.peer;
      return false;
    }
    if (next->from.fingerprint != expected) {
      stranger_ = {.met = true, .peer = r.peer, .what = *next->from.what};
      return false;
    }
    borrowed_ |= next->lent;
    const std::size_t n = next->bytes < room ? next->bytes : room;
    if (n == 0 && !r.token) return false;
    if (folds) {
      s.done += fold(r, s.done, next->data, n, part);
    } else {
      move(target, next->data, n);
      s.done += n;
    }
    port.consume(n);
    s.complete = s.done == r.bytes;
    return true;
  }

  // Folds whole elements; a part of one waits for the rest. Returns how far the
  // result has come.
  std::size_t fold(const segment& r, std::size_t position, const std::byte* incoming, std::size_t n, assembly& part) {
    const std::size_t element = data(r).element;
    const bool aligned = reinterpret_cast<std::uintptr_t>(incoming) % data(r).alignment == 0;
    std::size_t used = 0, folded = 0;
    if (part.filled == 0 && aligned) {
      folded = used = n - n % element;
      apply(r, position, incoming, folded);
    }
    if (used < n && part.bytes.size() < element) part.bytes = buffer<std::byte>(element);
    while (used < n) {
      const std::size_t missing = element - part.filled;
      const std::size_t next = missing < n - used ? missing : n - used;
      std::memcpy(part.bytes.data() + part.filled, incoming + used, next);
      part.filled += next;
      used += next;
      if (part.filled < element) break;
      apply(r, position + folded, part.bytes.data(), element);
      folded += element;
      part.filled = 0;
    }
    return folded;
  }

  void apply(const segment& r, std::size_t position, const std::byte* incoming, std::size_t bytes) const {
    fold_into(r, position, r.operand, incoming, false, bytes);
  }

  static const std::byte* operand_at(const execution_data& d, location l, std::size_t position) {
    return l.role == memory_role::sums ? sum_at(d, l, position) : readable(d, l) + position;
  }
  static std::byte* sum_at(const execution_data& d, location l, std::size_t position) {
    return d.sums + (l.offset + position) / d.element * d.fold.wider->element;
  }

  // `wide`: whether `other` is a sum.
  void fold_into(const segment& r, std::size_t position, location own, const std::byte* other, bool wide, std::size_t bytes) const {
    const execution_data& d = data(r);
    const bool to_sum = r.target.role == memory_role::sums, of_sum = own.role == memory_role::sums;
    std::byte* out = to_sum ? sum_at(d, r.target, position) : writable(d, r.target) + position;
    const std::byte* mine = operand_at(d, own, position);
    const std::size_t n = bytes / d.element;
    if (r.incoming == side::left) d.fold(out, other, mine, n, d.element, {to_sum, wide, of_sum});
    else d.fold(out, mine, other, n, d.element, {to_sum, of_sum, wide});
  }

  static void move(std::byte* to, const std::byte* from, std::size_t bytes) {
    if (to != from && bytes > 0) std::memmove(to, from, bytes);
  }

  void finish() {
    for (const segment& copy : program_->last_copies)
      move(writable(data(copy), copy.target), readable(data(copy), copy.operand), copy.bytes);
  }

  const program* program_ = nullptr;
  execution_data alone_{};
  const execution_data* data_ = nullptr;  // of each call
  envelope envelope_{};
  std::vector<state> states_;
  std::vector<std::uint32_t> heads_;
  std::size_t open_queues_ = 0;
  stranger stranger_{};
  int lost_from_ = -1;
  bool borrowed_ = false;
  std::vector<traffic> sent_;  // by call
  std::vector<assembly> assemblies_;
};

}  // namespace tutti
