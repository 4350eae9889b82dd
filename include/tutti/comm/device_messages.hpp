#pragma once
#include <algorithm>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_blocks.hpp>
#include <tutti/comm/device_plans.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/device/pull_body.hpp>

namespace tutti::detail {

/// A run of elements in the arena of one rank that another one reads, and where the reader
/// keeps its copy: behind what it uses of its own arena.
struct arrival {
  std::size_t phase = 0;  ///< before which it must be there
  int owner = 0;
  std::size_t from = 0, at = 0, elements = 0;
};

/// All that one rank reads in others' arenas. What stands side by side there does so in the
/// copy, and is one run.
struct arrivals {
  std::vector<arrival> runs{};    ///< by phase, then by owner
  std::size_t elements = 0;       ///< of the reader's arena with all copies behind it
  std::vector<pull_place> operands{};  ///< of its program, where they stand for it: all in arena 0

  /// `program` is the reader's; what others write has come to stand before the phase that reads it.
  arrivals(const pull_program& program, int reader, std::size_t grain) : elements(program.arena), operands(program.operands) {
    // Places are written once: what was copied for one phase stays as it is for those after it.
    std::map<std::pair<int, std::size_t>, arrival> slices;
    for (int phase = 0; phase < program.phases(); ++phase)
      each_read(program, phase, [&](const pull_place& o, std::size_t length) {
        if (o.which == reader) return;
        const auto when = static_cast<std::size_t>(phase);
        arrival& a = slices.try_emplace({o.which, o.offset}, arrival{.phase = when, .owner = o.which, .from = o.offset}).first->second;
        a.elements = std::max(a.elements, length);
      });
    std::vector<arrival*> in_order;
    for (auto& [place, a] : slices) in_order.push_back(&a);
    std::stable_sort(in_order.begin(), in_order.end(), [](const arrival* a, const arrival* b) { return a->phase < b->phase; });
    const auto whole = [&](std::size_t n) { return (n + grain - 1) / grain * grain; };
    for (arrival* a : in_order) {
      a->at = elements;
      elements += whole(a->elements);
      arrival* const last = runs.empty() ? nullptr : &runs.back();
      if (last && last->phase == a->phase && last->owner == a->owner && last->from + whole(last->elements) == a->from) last->elements = a->from + a->elements - last->from;
      else runs.push_back(*a);
    }
    for (pull_place& o : operands) {
      if (o.memory != pull_memory::arena) continue;
      if (o.which != reader) o.offset = slices.at({o.which, o.offset}).at;
      o.which = 0;
    }
  }

 private:
  template <class F>
  static void each_read(const pull_program& program, int phase, F f) {
    const auto p = static_cast<std::size_t>(phase);
    for (std::uint32_t k = program.phase_begin[p]; k < program.phase_begin[p + 1]; ++k) {
      const pull& made = program.pulls[k];
      for (std::uint32_t i = 0; i < made.count; ++i)
        if (const pull_place& o = program.operands[made.first + i]; o.memory == pull_memory::arena) f(o, made.elements);
    }
  }
};

/// Collectives of ranks whose links move the memory of their devices, between hosts too. The
/// phases are those of `device_windows`; what a rank would read in another's arena it is sent
/// before the phase, from arena to arena, and the host, which sends it, waits until the stream
/// has written it. Of the two halves of the arena one is sent while kernels work on the other.
/// Calls come one after the other, whatever their streams.
template <class Device>
class device_messages {
  struct transfer {
    bool sends = false;
    int peer = 0;
    std::size_t at = 0, elements = 0;
  };
  /// Before each phase: what this rank receives, and then what it sends.
  using exchanges = std::vector<std::vector<transfer>>;
  using plans = device_plans<Device, exchanges>;
  using plan = typename plans::plan;

 public:
  using order = typename Device::order;

  /// Collective; ends with the same answer to `why_not` on every rank. `bytes` is the
  /// same on all; it takes as many of the device's. `refused`: why this rank is not to; empty
  /// where it may.
  device_messages(const Device& device, communicator& c, std::size_t bytes, const std::string& refused) : device_(device), half_(bytes / 2 / 256 * 256) {
    const auto no = [&](const std::string& why) { throw error(errc::not_supported, format("rank %d: %s", c.world_rank(), why.c_str())); };
    auto why = agree(c, refused_by([&] {
      if (!refused.empty()) no(refused);
      if (!Device::launches) no("compiled without kernels: compile with nvcc");
      if (const std::string missing = c.home().fabric().why_not_moved(device_.messages_move); !missing.empty()) no(missing);
      try {
        arena_ = device_.take(2 * half_);
        plans_.emplace(device_, c.size());
        for (auto& e : ready_) e = device_.make_event();
        last_ = device_.make_event();
      } catch (const error& e) {
        no(e.what());
      }
    }));
    if (!why) why = agree(c, refused_by([&] {
      try {
        link_.emplace(c.duplicate({.message_links = true}));
      } catch (const error& e) {
        no(e.what());
      }
    }));
    if (!why) return;
    why_not_ = why->why;
    close();
  }
  device_messages(const device_messages&) = delete;
  device_messages& operator=(const device_messages&) = delete;

  /// Why these ranks cannot; empty where they can.
  const std::string& why_not() const { return why_not_; }

  /// Waits for what went by them.
  void finish(communicator& c) const {
    if (pieces_ > 0) finish_watched(device_, c, last_);
  }
  /// After `finish`.
  void close() {
    link_.reset();
    plans_.reset();
    arena_ = {};
  }

  /// Returns once all blocks are where they are to be: the host waits for the stream, and for
  /// the other ranks. Nothing lies in arenas on the way.
  void exchange(communicator& c, const block_moves& moves, const order& in_order) {
    device_.record(ready_[0], in_order);
    finish_watched(device_, c, ready_[0]);
    std::vector<message_call>& calls = link_->message_calls();
    for (bool sends : {false, true})
      for (int r = 0; r < c.size(); ++r) {
        const std::size_t bytes = sends ? moves.bytes.of(c.rank(), r) : moves.bytes.of(r, c.rank());
        if (r == c.rank() || bytes == 0) continue;
        std::byte* const data = sends ? const_cast<std::byte*>(moves.source(r)) : moves.target(r);
        calls.push_back({.sends = sends, .peer = r, .data = data, .count = bytes, .element = 1, .type = type_name<std::byte>, .memory = device_.messages_move});
      }
    send_all(calls);
    copy_own(device_, moves, c.rank(), in_order);
  }

  /// Chooses the algorithm, where the call leaves it open, and makes its programs.
  template <class T, class Op>
  void prepare(communicator& c, device_call<T, Op>& call) {
    call = with_algorithm(c, call);
    if (call.count == 0) return;
    const plan& whole = plan_for(c, call, call.count);
    if (call.count % whole.piece != 0) plan_for(c, call, call.count % whole.piece);
  }

  /// Returns once the last phase was given to the stream: the host waits for the stream, and
  /// for the other ranks. Of a call that is prepared.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    if (call.count == 0) return;
    device_.wait(in_order, last_);
    const std::size_t piece = plan_for(c, call, call.count).piece, pieces = (call.count + piece - 1) / piece;
    // Of a piece: how it is done, and where.
    const auto plan_of = [&](std::size_t k) -> plan& { return plan_for(c, call, k + 1 < pieces || call.count % piece == 0 ? call.count : call.count % piece); };
    const auto memory_of = [&](std::size_t k) {
      pull_memories memory = memories_from(call, k * piece);
      memory.arena[0] = arena_.data() + k % 2 * half_;
      return memory;
    };
    const auto do_phase = [&](std::size_t k, std::size_t phase) {
      const plan& now = plan_of(k);
      plans_->template launch<T>(now, phase, memory_of(k), call.op, in_order);
      // Of what comes after the last phase nothing is sent.
      if (phase + 1 < now.phases()) device_.record(ready_[k % 2], in_order);
    };
    const auto begin = [&](std::size_t k) {
      plans_->need(c, plan_of(k), in_order);
      do_phase(k, 0);
    };
    begin(0);
    for (std::size_t k = 0; k < pieces; ++k) {
      // The stream comes to it after the piece before this one, whose half it takes.
      if (k + 1 < pieces) begin(k + 1);
      for (std::size_t phase = 1; phase < plan_of(k).phases(); ++phase) {
        finish_watched(device_, c, ready_[k % 2]);
        move(plan_of(k).more[phase], memory_of(k).arena[0], sizeof(T));
        do_phase(k, phase);
      }
    }
    pieces_ += pieces;
    device_.record(last_, in_order);
  }

 private:
  // `left` elements are left. Its piece is cut down until every half holds what its rank has
  // and what others send it.
  template <class T, class Op>
  plan& plan_for(communicator& c, const device_call<T, Op>& call, std::size_t left) {
    struct made {
      pull_program program;
      std::size_t elements;
      exchanges more;
    };
    constexpr std::size_t grain = pulled_grain<T, Op>;
    return plans_->find(c, call, left, [&]() -> made {
      std::vector<arrivals> all;
      piece_programs found = programs_within(half_, c, call, left, [&](const std::vector<pull_program>& programs) {
        all.clear();
        std::size_t most = 0;
        for (int r = 0; r < c.size(); ++r) {
          all.emplace_back(programs[static_cast<std::size_t>(r)], r, grain);
          most = std::max(most, all.back().elements);
        }
        return most;
      });
      const auto me = static_cast<std::size_t>(c.rank());
      pull_program mine = std::move(found.programs[me]);
      exchanges before(static_cast<std::size_t>(mine.phases()));
      for (const arrival& a : all[me].runs) before[a.phase].push_back({.sends = false, .peer = a.owner, .at = a.at, .elements = a.elements});
      for (int r = 0; r < c.size(); ++r)
        for (const arrival& a : all[static_cast<std::size_t>(r)].runs)
          if (a.owner == c.rank()) before[a.phase].push_back({.sends = true, .peer = r, .at = a.from, .elements = a.elements});
      mine.operands = std::move(all[me].operands);
      for (pull& p : mine.pulls)
        if (p.target.memory == pull_memory::arena) p.target.which = 0;
      return {std::move(mine), found.elements, std::move(before)};
    });
  }

  void move(const std::vector<transfer>& all, std::byte* arena, std::size_t element) {
    std::vector<message_call>& calls = link_->message_calls();
    for (const transfer& e : all)
      calls.push_back({.sends = e.sends, .peer = e.peer, .data = arena + e.at * element, .count = e.elements * element, .element = 1,
                       .type = type_name<std::byte>, .memory = device_.messages_move});
    send_all(calls);
  }
  // Returns once all of it is there, and what was sent may be changed.
  void send_all(std::vector<message_call>& calls) {
    if (calls.empty()) return;
    // What the link does on this thread it does with the device that is the current one.
    [[maybe_unused]] const auto here = current();
    link_->wait(link_->post(calls));
  }
  auto current() const {
    if constexpr (requires { device_.made_current(); }) return device_.made_current();
    else return 0;
  }

  Device device_;
  std::size_t half_;
  std::string why_not_{};
  typename Device::taken arena_{};
  std::optional<plans> plans_{};
  typename Device::event ready_[2] = {}, last_{};
  std::size_t pieces_ = 0;
  std::optional<communicator> link_{};  // goes first: it may still use the arena
};

}  // namespace tutti::detail
