#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_blocks.hpp>
#include <tutti/comm/device_plans.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/comm/shared_arena.hpp>
#include <tutti/device/fold_together.hpp>
#include <tutti/device/pull_body.hpp>

namespace tutti::detail {

/// Collectives of ranks whose devices read each other's memory: threads of one
/// process, or processes of one host. Every rank has an arena that all others
/// map; a schedule becomes phases of pulls, a kernel each, and between two phases
/// streams wait for each other's events. Nothing waits inside a kernel, so that
/// ranks may share a device, in turns if need be; the host waits only until the
/// other ranks have called as well. Calls without a graph come one after the other,
/// whatever their streams; what a graph does when it is replayed is ordered with them by
/// whoever replays it, since both use the arenas.
template <class Device>
class device_windows {
  using plans = device_plans<Device, traffic>;  // with what other ranks fetch from this one
  using plan = typename plans::plan;
  using lock = std::unique_lock<std::mutex>;
  using arena = shared_arena<Device>;
  // What a rank tells the others of its own.
  struct offer {
    typename Device::card card{};
    typename arena::contents* shared = nullptr;  // of use in its process
  };

 public:
  using order = typename Device::order;

  /// Shapes of calls whose programs lie ready on the device.
  static constexpr std::size_t kept_plans = plans::most;
  /// Of these, graphs keep so many at most, until the end.
  static constexpr std::size_t most_in_graphs = kept_plans / 2;

  /// Collective; ends with the same answer to `why_not` on every rank. `bytes` is the
  /// same on all.
  device_windows(const Device& device, communicator& c, std::size_t bytes, bool refused) : device_(device), half_(bytes / 2 / 256 * 256) {
    offer mine;
    auto all_can = [&](auto body) {
      if (const auto why = detail::agree(c, refused_by(body))) why_not_ = why->why;
      return why_not_.empty();
    };
    const auto no = [&](const std::string& why) { throw error(errc::not_supported, format("rank %d: %s", c.world_rank(), why.c_str())); };
    const bool ready = all_can([&] {
      if (refused) no("asked to");
      if (!Device::launches) no("compiled without kernels: compile with nvcc");
      if (c.all().hosts() > 1) no("ranks are on several hosts");
      if (c.size() > most_arenas) no(format("%d ranks, and a kernel knows %d arenas at most", c.size(), most_arenas));
      try {
        own_ = arena(device_.take(2 * half_), 1);
        plans_.emplace(device_, c.size());
        for (int i = 0; i < arena::events; ++i) own_->met[i] = device_.make_event(i < 2);
        last_ = device_.make_event(), last_recorded_ = device_.make_event();
        mine = {device_.card_of(own_->memory.data(), own_->met), own_.address()};
      } catch (const error& e) {
        no(e.what());
      }
    });
    if (ready) {
      // Counted before the others know of it: one of them may leave before it has its own.
      own_->holders = c.size();
      std::vector<offer> offers(static_cast<std::size_t>(c.size()));
      all_gather(c, span<const offer>(&mine, 1), offers);
      for (int r = 0; r < c.size(); ++r) {
        held_.emplace_back();
        if (r == c.rank()) continue;
        const offer& other = offers[static_cast<std::size_t>(r)];
        if (device_.same_process(other.card)) {
          held_.back() = arena(other.shared);
        } else {
          own_.not_held_by(1);
          mapped_elsewhere_ = true;
        }
      }
      all_can([&] {
        for (int r = 0; r < c.size(); ++r) {
          peers_.emplace_back();
          if (r == c.rank()) continue;
          const typename Device::card& other = offers[static_cast<std::size_t>(r)].card;
          apart_ |= !device_.same_process(other) || !device_.same_device(other);
          try {
            peers_.back() = device_.reach(other);
          } catch (const error& e) {
            no(e.what());
          }
        }
      });
    }
    if (!why_not_.empty()) close(c);
  }
  device_windows(const device_windows&) = delete;
  device_windows& operator=(const device_windows&) = delete;
  ~device_windows() {
    peers_.clear();
    // It must not be freed while another process has it mapped.
    if (mapped_elsewhere_) own_.keep();
  }

  /// Waits for what went through them.
  void finish(communicator& c) const {
    if (pieces_ > 0) finish_watched(device_, c, last_);
  }
  /// Collective, after `finish` on all ranks: nobody maps anything of others afterwards.
  void close(communicator& c) {
    peers_.clear();
    held_.clear();
    barrier(c);
    mapped_elsewhere_ = false;
    own_ = {};
    plans_.reset();
  }

  /// Why these ranks cannot; empty where they can.
  const std::string& why_not() const { return why_not_; }

  /// Whether the call is one kernel of rank 0: of threads that share a device, which
  /// reaches all their memory.
  template <class T, class Op>
  bool folds_together(const device_call<T, Op>& call) const {
    return !apart_ && call.what == collective::all_reduce && call.algorithm == algorithm::automatic && call.count > 0 && reduction<Op, wide<T, Op>>;
  }
  /// Before such a call is agreed on: rank 0's stream can wait for what this one was given.
  void come(const communicator& c, const order& in_order, std::uint64_t graph) {
    const lock alone = drawn_alone(graph);
    if (c.rank() > 0) device_.record(own_->met[meeting(graph)], in_order);
  }
  template <class T, class Op>
  void fold(communicator& c, const device_call<T, Op>& call, const std::vector<device_signature>& all, const order& in_order, std::uint64_t graph) {
    const std::size_t which = meeting(graph);
    ++meetings_;
    lock alone = drawn_alone(graph);
    if constexpr (reduction<Op, wide<T, Op>>)
      if (c.rank() == 0) {
        fold_together<T, Op> body{.ranks = c.size(), .outputs = c.size(), .elements = call.count, .op = call.op};
        for (std::size_t r = 0; r < all.size(); ++r) {
          body.in[r] = static_cast<const T*>(all[r].input), body.out[r] = static_cast<T*>(all[r].output);
          if (r > 0) device_.wait_for_peer(in_order, peers_[r], which);
        }
        device_.launch(body, call.count / body.packed + 1, in_order);
        device_.record(own_->met[which], in_order);
      }
    meet(c, alone);
    if (c.rank() > 0) device_.wait_for_peer(in_order, peers_[0], which);
    // Rank 0 fetches what others have, and they the sums, if only by its hand.
    for (int k = c.rank() > 0 ? 1 : c.size() - 1; k > 0; --k) c.count(link_kind::device, {1, call.count * sizeof(T)});
  }

  /// Chooses the algorithm, where the call leaves it open, and makes its programs.
  /// `graph`: into which the call is recorded, or 0; what that uses is kept until the end.
  template <class T, class Op>
  void prepare(communicator& c, device_call<T, Op>& call, std::uint64_t graph = 0) {
    std::size_t in_graphs = plans_->staying();
    // They stay from `run` on: another rank may refuse the call yet.
    const auto need_for_graph = [&](const plan& kept) {
      if (graph == 0) return;
      if (!kept.is_there)
        throw error(errc::invalid_argument, format("rank %d: %s of this shape is recorded into a graph before it was called without one: call it once, or once "
                                                   "more, since %zu shapes are kept", c.world_rank(), name_of(call.what), kept_plans), c.world_rank());
      if (!kept.stays && ++in_graphs > most_in_graphs)
        throw error(errc::not_supported, format("rank %d: %s is recorded into a graph, and graphs have %zu shapes of calls already, as many as a device "
                                                "communicator keeps for them: make another one", c.world_rank(), name_of(call.what), most_in_graphs), c.world_rank());
    };
    if (graph != 0 && mapped_elsewhere_)
      throw error(errc::not_supported, format("rank %d: %s is recorded into a graph, and ranks are in several processes, which the host has meet: record what "
                                              "comes before and after it", c.world_rank(), name_of(call.what)), c.world_rank());
    call = with_algorithm(c, call);
    if (call.count == 0) return;
    plan& whole = plan_for(c, call, call.count);
    need_for_graph(whole);
    if (call.count % whole.piece != 0) need_for_graph(plan_for(c, call, call.count % whole.piece));
  }

  /// Returns once the last phase was given to the stream. Of a call that is prepared.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order, std::uint64_t graph = 0) {
    if (call.count == 0) return;
    lock alone = drawn_alone(graph);
    // A graph comes after the calls before it as whoever replays it has it; its own are ordered in it.
    if (graph == 0) device_.wait(in_order, last_);
    else if (graph == recorded_) device_.wait(in_order, last_recorded_);
    const std::size_t piece = plan_for(c, call, call.count).piece;
    for (std::size_t begin = 0; begin < call.count; begin += piece) {
      plan& now = plan_for(c, call, std::min(piece, call.count - begin) == piece ? call.count : call.count - begin);
      plans_->need(c, now, in_order);
      now.stays |= graph != 0;
      pull_memories memory = memories_from(call, begin);
      const std::size_t at = pieces_++ % 2 * half_;
      for (int r = 0; r < c.size(); ++r)
        memory.arena[r] = (r == c.rank() ? own_->memory.data() : peers_[static_cast<std::size_t>(r)].base()) + at;
      for (std::size_t phase = 0; phase < now.phases(); ++phase) {
        if (phase > 0) meet_streams(c, in_order, graph != 0, alone);
        plans_->template launch<T>(now, phase, memory, call.op, in_order);
      }
      c.count(link_kind::device, now.more);
    }
    device_.record(graph == 0 ? last_ : last_recorded_, in_order);
    if (graph != 0) recorded_ = graph;
  }

  /// Throws `invalid_argument`, on all ranks alike, where windows do not hold a few bytes for
  /// each rank.
  void need_room(const communicator& c, const block_moves& moves) const { block_piece(c, moves); }
  /// Returns once it was given to the stream. Nothing travels but the blocks.
  void exchange(communicator& c, const block_moves& moves, const order& in_order) {
    const std::size_t longest = moves.bytes.longest(), piece = block_piece(c, moves);
    const int me = c.rank();
    lock none;
    device_.wait(in_order, last_);
    for (std::size_t begin = 0; begin < longest; begin += piece) {
      const std::size_t at = pieces_++ % 2 * half_;
      const auto part = [&](int sender, int receiver) { return moves.piece(sender, receiver, begin, piece); };
      for (int r = 0, told = 0; r < c.size(); ++r)
        if (r != me && part(me, r) > 0 && !(moves.one_for_all && told++ > 0))
          device_.copy(own_->memory.data() + at + place_of(moves, me, r, begin, piece), moves.source(r) + begin, part(me, r), in_order);
      meet_streams(c, in_order, false, none);
      for (int r = 0; r < c.size(); ++r)
        if (r != me && part(me, r) > 0) c.count(link_kind::device, {1, part(me, r)});
      for (int r = 0; r < c.size(); ++r)
        if (r != me && part(r, me) > 0)
          device_.copy(moves.target(r) + begin, peers_[static_cast<std::size_t>(r)].base() + at + place_of(moves, r, me, begin, piece), part(r, me), in_order);
    }
    copy_own(device_, moves, me, in_order);
    device_.record(last_, in_order);
  }

 private:
  // Where a piece of a block lies in its sender's half: behind those for the ranks before.
  static std::size_t place_of(const block_moves& moves, int sender, int receiver, std::size_t begin, std::size_t piece) {
    std::size_t at = 0;
    for (int r = 0; r < receiver && !moves.one_for_all; ++r)
      if (r != sender) at += (moves.piece(sender, r, begin, piece) + 15) / 16 * 16;
    return at;
  }
  // Of every block at once, so that the half of whoever sends most holds it.
  std::size_t block_piece(const communicator& c, const block_moves& moves) const {
    std::size_t piece = moves.bytes.longest();
    for (int s = 0; s < c.size(); ++s) {
      std::size_t blocks = 0;
      for (int r = 0; r < c.size(); ++r) blocks += r != s && moves.bytes.of(s, r) > 0;
      if (moves.one_for_all) blocks = std::min<std::size_t>(blocks, 1);
      const std::size_t used = moves.one_for_all ? piece * blocks : place_of(moves, s, c.size(), 0, piece);
      if (used > half_) piece = std::min(piece, half_ / blocks / 16 * 16);
    }
    if (piece < moves.bytes.longest() && piece == 0)
      throw error(errc::invalid_argument, format("rank %d: windows of %zu bytes do not hold 16 for each of %d ranks; give more window_bytes", c.world_rank(), 2 * half_,
                                                 c.size()), c.world_rank());
    return piece;
  }

  // Streams of several threads are recorded into one graph, which the runtime does not keep
  // them from changing at once: each adds to it alone, and others do while it waits for them.
  static lock drawn_alone(std::uint64_t graph) {
    static std::mutex graphs;
    return graph != 0 ? lock(graphs) : lock();
  }
  static void meet(communicator& c, lock& alone) {
    const bool drawn = alone.owns_lock();
    if (drawn) alone.unlock();
    barrier(c);
    if (drawn) alone.lock();
  }

  // All ranks have come here; from here on the stream waits for what the others'
  // streams were given before. Two events take turns: nobody records one again
  // before all have waited for it. Within a graph they are edges of it, of events that
  // nobody waits for outside.
  void meet_streams(communicator& c, const order& in_order, bool recorded, lock& alone) {
    const std::size_t which = meeting(recorded);
    ++meetings_;
    device_.record(own_->met[which], in_order);
    meet(c, alone);
    for (int r = 0; r < c.size(); ++r)
      if (r != c.rank()) device_.wait_for_peer(in_order, peers_[static_cast<std::size_t>(r)], which);
  }

  std::size_t meeting(std::uint64_t graph) const { return meetings_ % 2 + (graph != 0 ? 2 : 0); }

  // `left` elements are left. Its piece is cut down until all arenas hold it.
  template <class T, class Op>
  plan& plan_for(communicator& c, const device_call<T, Op>& call, std::size_t left) {
    struct made {
      pull_program program;
      std::size_t elements;
      traffic more;
    };
    return plans_->find(c, call, left, [&]() -> made {
      piece_programs all = programs_within(half_, c, call, left, [](const std::vector<pull_program>& programs) {
        std::size_t most = 0;
        for (const pull_program& p : programs) most = std::max(most, p.arena);
        return most;
      });
      const traffic fetched = fetched_from(c.rank(), all.programs, sizeof(T));
      return {std::move(all.programs[static_cast<std::size_t>(c.rank())]), all.elements, fetched};
    });
  }
  static traffic fetched_from(int rank, const std::vector<pull_program>& all, std::size_t element) {
    traffic sum;
    for (const pull_program& p : all)
      for (const pull& one : p.pulls)
        for (std::uint32_t k = 0; k < one.count; ++k) {
          const pull_place& from = p.operands[one.first + k];
          if (&p != &all[static_cast<std::size_t>(rank)] && from.memory == pull_memory::arena && from.which == rank && one.elements > 0) sum.add(one.elements * element);
        }
    return sum;
  }

  Device device_;
  std::size_t half_;
  std::string why_not_{};
  arena own_{};
  std::vector<arena> held_{};  // of the ranks of this process
  typename Device::event last_{}, last_recorded_{};
  std::uint64_t recorded_ = 0;  // the graph that last_recorded_ is in
  std::vector<typename Device::peer> peers_{};
  bool mapped_elsewhere_ = false, apart_ = false;
  std::optional<plans> plans_{};
  std::size_t pieces_ = 0, meetings_ = 0;
};

}  // namespace tutti::detail
