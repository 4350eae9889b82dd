#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/device_cost.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/fold_together.hpp>
#include <tutti/device/pull_body.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti::detail {

/// The algorithm of a call by pulls. One shot reads p vectors in one phase, two
/// shots two in two; between them stands a guess, since no device has timed both.
inline algorithm pulled_algorithm(collective what, std::size_t bytes, bool commutative, const team& all) {
  switch (what) {
    case collective::all_reduce: return bytes <= one_shot_bytes ? algorithm::one_shot : algorithm::two_shot;
    case collective::reduce_scatter:
    case collective::all_gather:
    case collective::all_to_all: return algorithm::pairwise;
    case collective::reduce: return commutative || keeps_order(what, algorithm::k_nomial_8, all) ? algorithm::k_nomial_8 : algorithm::tree;
    case collective::scan:
    case collective::exclusive_scan: return algorithm::doubling;
    default: return algorithm::linear;
  }
}

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
 public:
  using order = typename Device::order;

  /// Shapes of calls whose programs lie ready on the device.
  static constexpr std::size_t kept_plans = 64;
  /// Of these, graphs keep so many at most, until the end.
  static constexpr std::size_t most_in_graphs = kept_plans / 2;
  /// What the program of one takes at most.
  static std::size_t table_bytes(int ranks) { return 1024 * static_cast<std::size_t>(ranks); }

  /// Collective; ends with the same answer to `why_not` on every rank. `bytes` is the
  /// same on all.
  device_windows(const Device& device, communicator& c, std::size_t bytes, bool refused) : device_(device), half_(bytes / 2 / 256 * 256) {
    typename Device::card card{};
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
        arena_ = device_.take(2 * half_);
        tables_ = device_.take(kept_plans * table_bytes(c.size()));
        sources_ = staging(tables_.size());
        for (std::size_t i = 0; i < std::size(met_); ++i) met_[i] = device_.make_event(i < 2);
        last_ = device_.make_event(), last_recorded_ = device_.make_event();
        for (auto& p : plans_) p.filled = device_.make_event();
        card = device_.card_of(arena_.data(), met_);
      } catch (const error& e) {
        no(e.what());
      }
    });
    if (ready) {
      std::vector<typename Device::card> cards(static_cast<std::size_t>(c.size()));
      all_gather(c, span<const typename Device::card>(&card, 1), cards);
      all_can([&] {
        for (int r = 0; r < c.size(); ++r) {
          peers_.emplace_back();
          if (r == c.rank()) continue;
          const typename Device::card& other = cards[static_cast<std::size_t>(r)];
          mapped_elsewhere_ |= !device_.same_process(other);
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
    if (mapped_elsewhere_) new typename Device::taken(std::move(arena_));
  }

  /// Waits for what went through them.
  void finish(communicator& c) const {
    if (pieces_ > 0) finish_watched(device_, c, last_);
  }
  /// Collective, after `finish` on all ranks: nobody maps anything of others afterwards.
  void close(communicator& c) {
    peers_.clear();
    barrier(c);
    mapped_elsewhere_ = false;
    arena_ = {}, tables_ = {}, sources_ = {};
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
    if (c.rank() > 0) device_.record(met_[meeting(graph)], in_order);
  }
  template <class T, class Op>
  void fold(communicator& c, const device_call<T, Op>& call, const std::vector<device_signature>& all, const order& in_order, std::uint64_t graph) {
    const std::size_t which = meeting(graph);
    ++meetings_;
    if constexpr (reduction<Op, wide<T, Op>>)
      if (c.rank() == 0) {
        fold_together<T, Op> body{.ranks = c.size(), .elements = call.count, .op = call.op};
        for (std::size_t r = 0; r < all.size(); ++r) {
          body.in[r] = static_cast<const T*>(all[r].input), body.out[r] = static_cast<T*>(all[r].output);
          if (r > 0) device_.wait_for_peer(in_order, peers_[r], which);
        }
        device_.launch(body, call.count / body.packed + 1, in_order);
        device_.record(met_[which], in_order);
      }
    barrier(c);
    if (c.rank() > 0) device_.wait_for_peer(in_order, peers_[0], which);
  }

  /// Chooses the algorithm, where the call leaves it open, and makes its programs.
  /// `graph`: into which the call is recorded, or 0; what that uses is kept until the end.
  template <class T, class Op>
  void prepare(communicator& c, device_call<T, Op>& call, std::uint64_t graph = 0) {
    std::size_t in_graphs = 0;
    for (const kept_plan& p : plans_) in_graphs += p.stays;
    // They stay from `run` on: another rank may refuse the call yet.
    const auto need_for_graph = [&](const kept_plan& plan) {
      if (graph == 0) return;
      if (!plan.is_there)
        throw error(errc::invalid_argument, format("rank %d: %s of this shape is recorded into a graph before it was called without one: call it once, or once "
                                                   "more, since %zu shapes are kept", c.world_rank(), name_of(call.what), kept_plans), c.world_rank());
      if (!plan.stays && ++in_graphs > most_in_graphs)
        throw error(errc::not_supported, format("rank %d: %s is recorded into a graph, and graphs have %zu shapes of calls already, as many as a device "
                                                "communicator keeps for them: make another one", c.world_rank(), name_of(call.what), most_in_graphs), c.world_rank());
    };
    if (graph != 0 && mapped_elsewhere_)
      throw error(errc::not_supported, format("rank %d: %s is recorded into a graph, and ranks are in several processes, which the host has meet: record what "
                                              "comes before and after it", c.world_rank(), name_of(call.what)), c.world_rank());
    if (call.algorithm == algorithm::automatic) call.algorithm = pulled_algorithm(call.what, call.count * sizeof(T), is_commutative<Op>, c.all());
    need_algorithm<Op>(c, call.what, call.algorithm);
    if (call.count == 0) return;
    kept_plan& whole = plan_for(c, call, call.count);
    need_for_graph(whole);
    if (call.count % whole.piece != 0) need_for_graph(plan_for(c, call, call.count % whole.piece));
  }

  /// Returns once the last phase was given to the stream. Of a call that is prepared.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order, std::uint64_t graph = 0) {
    if (call.count == 0) return;
    // A graph comes after the calls before it as whoever replays it has it; its own are ordered in it.
    if (graph == 0) device_.wait(in_order, last_);
    else if (graph == recorded_) device_.wait(in_order, last_recorded_);
    const std::size_t piece = plan_for(c, call, call.count).piece;
    for (std::size_t begin = 0; begin < call.count; begin += piece) {
      kept_plan& plan = plan_for(c, call, std::min(piece, call.count - begin) == piece ? call.count : call.count - begin);
      if (!plan.is_there) fill(c, plan, in_order);
      plan.stays |= graph != 0;
      pull_memories memory{.input = reinterpret_cast<const std::byte*>(call.input + (call.input ? begin : 0)),
                           .output = reinterpret_cast<std::byte*>(call.output + (call.output ? begin : 0)),
                           .input_block = call.count, .output_block = call.count};
      const std::size_t at = pieces_++ % 2 * half_;
      for (int r = 0; r < c.size(); ++r)
        memory.arena[r] = (r == c.rank() ? arena_.data() : peers_[static_cast<std::size_t>(r)].base()) + at;
      const std::byte* table = tables_.data() + index_of(plan) * table_bytes(c.size());
      for (std::size_t phase = 0; phase + 1 < plan.phase_begin.size(); ++phase) {
        if (phase > 0) meet(c, in_order, graph != 0);
        const pull* pulls = reinterpret_cast<const pull*>(table);
        const pull_body<T, Op> body{pulls + plan.phase_begin[phase], pulls + plan.phase_begin[phase + 1],
                                    reinterpret_cast<const pull_place*>(table + plan.operands_at), memory, call.op};
        if (plan.longest[phase] > 0) device_.launch(body, plan.longest[phase] / pull_body<T, Op>::packed + 1, in_order);
      }
    }
    device_.record(graph == 0 ? last_ : last_recorded_, in_order);
    if (graph != 0) recorded_ = graph;
  }

 private:
  using staging = buffer<std::byte, typename Device::staging>;

  // A program of this rank, pulls first: made on the host, and copied to the device
  // in the order of the first call that uses it.
  struct kept_plan {
    collective what{};
    algorithm how{};
    int root = 0;
    std::size_t asked = 0, piece = 0, element = 0, used = 0;
    bool in_place = false, is_there = false;
    bool stays = false;  // graphs use it
    std::vector<std::uint32_t> phase_begin{};
    std::vector<std::size_t> longest{};  // elements, by phase
    std::vector<std::byte> bytes{};
    std::size_t operands_at = 0;
    typename Device::event filled{};
  };

  template <class Op>
  static void need_algorithm(const communicator& c, collective what, algorithm how) {
    if (!find_entry(what, how))
      throw error(errc::invalid_argument, format("rank %d: %s is not done by %s", c.world_rank(), name_of(what), name_of(how)), c.world_rank());
    if (reduces(what) && !is_commutative<Op> && !keeps_order(what, how, c.all()))
      throw error(errc::invalid_argument, format("rank %d: %s by %s needs an operation that is commutative", c.world_rank(), name_of(what), name_of(how)),
                  c.world_rank());
  }

  // All ranks have come here; from here on the stream waits for what the others'
  // streams were given before. Two events take turns: nobody records one again
  // before all have waited for it. Within a graph they are edges of it, of events that
  // nobody waits for outside.
  void meet(communicator& c, const order& in_order, bool recorded) {
    const std::size_t which = meeting(recorded);
    ++meetings_;
    device_.record(met_[which], in_order);
    barrier(c);
    for (int r = 0; r < c.size(); ++r)
      if (r != c.rank()) device_.wait_for_peer(in_order, peers_[static_cast<std::size_t>(r)], which);
  }

  std::size_t meeting(std::uint64_t graph) const { return meetings_ % 2 + (graph != 0 ? 2 : 0); }

  std::size_t index_of(const kept_plan& p) const { return static_cast<std::size_t>(&p - plans_.data()); }

  // `left` elements are left. Its piece is cut down until all arenas hold it.
  template <class T, class Op>
  kept_plan& plan_for(communicator& c, const device_call<T, Op>& call, std::size_t left) {
    kept_plan* oldest = nullptr;
    for (kept_plan& p : plans_) {
      if (p.asked == left && p.what == call.what && p.how == call.algorithm && p.root == call.root && p.element == sizeof(T) && p.in_place == call.in_place()) {
        p.used = ++uses_;
        return p;
      }
      if (!p.stays && (!oldest || p.used < oldest->used)) oldest = &p;
    }
    if (!oldest)
      throw error(errc::not_supported, format("rank %d: %s: all %zu programs that are kept are in graphs", c.world_rank(), name_of(call.what), kept_plans), c.world_rank());
    std::vector<schedule> all;
    for (int r = 0; r < c.size(); ++r) all.push_back(make_schedule(call.what, call.algorithm, c.all(), {r}, {std::max(0, call.root)}));
    constexpr std::size_t grain = pull_body<T, Op>::packed == 1 ? 16 : pull_body<T, Op>::packed;
    std::vector<pull_program> programs;
    std::size_t n = left;
    for (;;) {
      programs = pull_programs(all, call.what, {std::max(0, call.root)}, n, grain, call.in_place());
      std::size_t most = 0;
      for (const pull_program& p : programs) most = std::max(most, p.arena * sizeof(T));
      if (most <= half_) break;
      if (n <= grain)
        throw error(errc::invalid_argument, format("rank %d: %s: windows of %zu bytes do not hold %zu elements for each of %d ranks; give more "
                                                   "window_bytes", c.world_rank(), name_of(call.what), 2 * half_, n, c.size()), c.world_rank());
      n = std::max(grain, static_cast<std::size_t>(static_cast<double>(n) * static_cast<double>(half_) / static_cast<double>(most)) / grain * grain);
    }
    kept_plan made = kept(programs[static_cast<std::size_t>(c.rank())], table_bytes(c.size()));
    made.what = call.what, made.how = call.algorithm, made.root = call.root, made.element = sizeof(T), made.in_place = call.in_place();
    made.asked = left, made.piece = n, made.used = ++uses_;
    made.filled = std::move(oldest->filled);
    *oldest = std::move(made);
    return *oldest;
  }

  static kept_plan kept(const pull_program& program, std::size_t most_bytes) {
    kept_plan p;
    p.phase_begin = program.phase_begin;
    for (std::size_t phase = 0; phase + 1 < p.phase_begin.size(); ++phase) {
      p.longest.push_back(0);
      for (std::uint32_t k = p.phase_begin[phase]; k < p.phase_begin[phase + 1]; ++k)
        p.longest.back() = std::max(p.longest.back(), program.pulls[k].elements);
    }
    const std::size_t pulls = program.pulls.size() * sizeof(pull), operands = program.operands.size() * sizeof(pull_place);
    p.operands_at = (pulls + 15) / 16 * 16;
    p.bytes.resize(p.operands_at + operands);
    if (p.bytes.size() > most_bytes) throw error(errc::not_supported, format("a program of %zu bytes, and %zu are kept for one", p.bytes.size(), most_bytes));
    if (pulls > 0) std::memcpy(p.bytes.data(), program.pulls.data(), pulls);
    if (operands > 0) std::memcpy(p.bytes.data() + p.operands_at, program.operands.data(), operands);
    return p;
  }

  // The stream has waited for all that used the place before. Only what was once
  // copied from the same pinned place is waited for here: 64 new shapes ago.
  void fill(communicator& c, kept_plan& p, const order& in_order) {
    const std::size_t at = index_of(p) * table_bytes(c.size());
    finish_watched(device_, c, p.filled);
    if (!p.bytes.empty()) std::memcpy(sources_.data() + at, p.bytes.data(), p.bytes.size());
    device_.copy(tables_.data() + at, sources_.data() + at, p.bytes.size(), in_order);
    device_.record(p.filled, in_order);
    p.is_there = true;
  }

  Device device_;
  std::size_t half_;
  std::string why_not_{};
  typename Device::taken arena_{}, tables_{};
  staging sources_{};
  typename Device::event met_[4] = {}, last_{}, last_recorded_{};
  std::uint64_t recorded_ = 0;  // the graph that last_recorded_ is in
  std::vector<typename Device::peer> peers_{};
  bool mapped_elsewhere_ = false, apart_ = false;
  std::array<kept_plan, kept_plans> plans_{};
  std::size_t pieces_ = 0, meetings_ = 0, uses_ = 0;
};

}  // namespace tutti::detail
