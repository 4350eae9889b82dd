#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_call.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/device/pull_body.hpp>
#include <tutti/schedule/repertoire.hpp>

namespace tutti::detail {

/// The algorithm of a call by pulls. One shot reads p vectors in one phase, two
/// shots two in two; between them stands a guess, since no device has timed both.
inline algorithm pulled_algorithm(collective what, std::size_t bytes, bool commutative, const team& all) {
  switch (what) {
    case collective::all_reduce: return bytes <= std::size_t{1} << 18 ? algorithm::one_shot : algorithm::two_shot;
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
/// other ranks have called as well.
template <class Device>
class device_windows {
 public:
  using order = typename Device::order;

  /// Collective; ends with the same answer to `why_not` on every rank.
  device_windows(const Device& device, communicator& c, std::size_t bytes, bool refused) : device_(device), half_(bytes / 2 / 256 * 256) {
    struct report {
      char why[160] = {};
      bool ready() const { return why[0] == 0; }
    };
    typename Device::card card{};
    report mine;
    auto attempt = [&](auto body) {
      std::string why;
      try {
        why = body();
      } catch (const std::exception& e) {
        why = e.what();
      }
      if (mine.ready()) std::strncpy(mine.why, why.c_str(), sizeof mine.why - 1);
    };
    // What fails on one rank fails on all, by the same sentence.
    auto agree = [&] {
      std::vector<report> all(static_cast<std::size_t>(c.size()));
      all_gather(c, span<const report>(&mine, 1), all);
      for (std::size_t r = 0; r < all.size() && why_not_.empty(); ++r)
        if (!all[r].ready()) why_not_ = format("rank %d: %s", c.world_rank(static_cast<int>(r)), all[r].why);
      return why_not_.empty();
    };
    attempt([&]() -> std::string {
      if (refused) return "asked to";
      if (!Device::launches) return "compiled without kernels: compile with nvcc";
      if (c.all().hosts() > 1) return "ranks are on several hosts";
      if (c.size() > most_arenas) return format("%d ranks, and a kernel knows %d arenas at most", c.size(), most_arenas);
      arena_ = buffer<std::byte, typename Device::space>(2 * half_);
      for (auto& e : met_) e = device_.make_event(true);
      last_ = device_.make_event();
      card = device_.card_of(arena_.data(), met_);
      return {};
    });
    if (!agree()) return;
    std::vector<typename Device::card> cards(static_cast<std::size_t>(c.size()));
    all_gather(c, span<const typename Device::card>(&card, 1), cards);
    attempt([&]() -> std::string {
      for (int r = 0; r < c.size(); ++r) {
        peers_.emplace_back();
        if (r != c.rank()) peers_.back() = device_.reach(cards[static_cast<std::size_t>(r)]);
      }
      return {};
    });
    agree();
  }

  /// Why these ranks cannot; empty where they can.
  const std::string& why_not() const { return why_not_; }

  /// Returns once the last phase was given to the stream.
  template <class T, class Op>
  void run(communicator& c, const device_call<T, Op>& call, const order& in_order) {
    const algorithm how = call.algorithm != algorithm::automatic
                              ? call.algorithm
                              : pulled_algorithm(call.what, call.count * sizeof(T), is_commutative<Op>, c.all());
    need_algorithm<Op>(c, call.what, how);
    agree(c, call, how);
    if (call.count == 0) return;
    device_.wait(in_order, last_);
    std::size_t piece = call.count;
    for (std::size_t begin = 0; begin < call.count; begin += piece) {
      const kept_plan& plan = plan_for(c, call, how, piece, begin);
      pull_memories memory{.input = reinterpret_cast<const std::byte*>(call.input + (call.input ? begin : 0)),
                           .output = reinterpret_cast<std::byte*>(call.output + (call.output ? begin : 0)),
                           .input_block = call.count, .output_block = call.count};
      const std::size_t at = pieces_++ % 2 * half_;
      for (int r = 0; r < c.size(); ++r)
        memory.arena[r] = (r == c.rank() ? arena_.data() : peers_[static_cast<std::size_t>(r)].base()) + at;
      for (std::size_t phase = 0; phase + 1 < plan.phase_begin.size(); ++phase) {
        if (phase > 0) meet(c, in_order);
        const pull* pulls = reinterpret_cast<const pull*>(plan.table.data());
        const pull_body<T, Op> body{pulls + plan.phase_begin[phase], pulls + plan.phase_begin[phase + 1],
                                    reinterpret_cast<const pull_place*>(plan.table.data() + plan.operands_at), memory, call.op};
        if (plan.longest[phase] > 0) device_.launch(body, plan.longest[phase] / pull_body<T, Op>::packed + 1, in_order);
      }
    }
    device_.record(last_, in_order);
  }

 private:
  // A program of this rank in the device's memory, pulls first.
  struct kept_plan {
    collective what{};
    algorithm how{};
    int root = 0;
    std::size_t asked = 0, piece = 0, element = 0;
    bool in_place = false;
    std::vector<std::uint32_t> phase_begin;
    std::vector<std::size_t> longest;  // elements, by phase
    std::size_t operands_at = 0;
    buffer<std::byte, typename Device::space> table;
  };

  // What ranks must have in common.
  struct signature {
    std::uint64_t count = 0;
    std::uint32_t element = 0;
    std::int32_t root = 0;
    std::uint16_t what = 0, how = 0;
    std::uint32_t operation = 0;
    friend bool operator==(const signature&, const signature&) = default;
  };

  template <class Op>
  static void need_algorithm(const communicator& c, collective what, algorithm how) {
    if (!find_entry(what, how))
      throw error(errc::invalid_argument, format("rank %d: %s is not done by %s", c.world_rank(), name_of(what), name_of(how)), c.world_rank());
    if (reduces(what) && !is_commutative<Op> && !keeps_order(what, how, c.all()))
      throw error(errc::invalid_argument, format("rank %d: %s by %s needs an operation that is commutative", c.world_rank(), name_of(what), name_of(how)),
                  c.world_rank());
  }

  template <class T, class Op>
  void agree(communicator& c, const device_call<T, Op>& call, algorithm how) {
    std::uint32_t name = 2166136261u;
    for (char letter : operation_name<Op>) name = (name ^ static_cast<unsigned char>(letter)) * 16777619u;
    const signature mine{.count = call.count, .element = sizeof(T), .root = call.root, .what = static_cast<std::uint16_t>(call.what),
                         .how = static_cast<std::uint16_t>(how), .operation = name};
    signatures_.resize(static_cast<std::size_t>(c.size()));
    all_gather(c, span<const signature>(&mine, 1), signatures_);
    for (std::size_t r = 0; r < signatures_.size(); ++r) {
      const signature& other = signatures_[r];
      if (other == mine) continue;
      auto said = [](const signature& s) {
        return format("%s by %s of %zu elements of %u bytes, root %d", name_of(static_cast<collective>(s.what)), name_of(static_cast<algorithm>(s.how)),
                      static_cast<std::size_t>(s.count), s.element, s.root);
      };
      const int them = c.world_rank(static_cast<int>(r));
      throw error(errc::mismatch, format("rank %d calls %s on device memory, rank %d calls %s%s", c.world_rank(), said(mine).c_str(), them,
                                         said(other).c_str(), said(mine) == said(other) ? " with another operation" : ""), them);
    }
  }

  // All ranks have come here; from here on the stream waits for what the others'
  // streams were given before. Two events take turns: nobody records one again
  // before all have waited for it.
  void meet(communicator& c, const order& in_order) {
    auto& mine = met_[meetings_ % 2];
    device_.record(mine, in_order);
    barrier(c);
    for (int r = 0; r < c.size(); ++r)
      if (r != c.rank()) device_.wait_for_peer(in_order, peers_[static_cast<std::size_t>(r)], meetings_ % 2);
    ++meetings_;
  }

  // `piece`: what is worked on at a time, cut down until all arenas hold it.
  template <class T, class Op>
  const kept_plan& plan_for(communicator& c, const device_call<T, Op>& call, algorithm how, std::size_t& piece, std::size_t begin) {
    const std::size_t left = std::min(piece, call.count - begin);
    for (const kept_plan& p : plans_)
      if (p.what == call.what && p.how == how && p.root == call.root && p.element == sizeof(T) && p.in_place == call.in_place() && p.asked == left) {
        if (begin == 0) piece = p.piece;
        return p;
      }
    std::vector<schedule> all;
    for (int r = 0; r < c.size(); ++r) all.push_back(make_schedule(call.what, how, c.all(), {r}, {std::max(0, call.root)}));
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
    if (begin == 0) piece = n;
    keep(programs[static_cast<std::size_t>(c.rank())]);
    kept_plan& p = plans_.back();
    p.what = call.what, p.how = how, p.root = call.root, p.element = sizeof(T), p.in_place = call.in_place(), p.asked = left, p.piece = n;
    return p;
  }

  void keep(const pull_program& program) {
    if (plans_.size() == 64) plans_.pop_front();
    kept_plan p;
    p.phase_begin = program.phase_begin;
    for (std::size_t phase = 0; phase + 1 < p.phase_begin.size(); ++phase) {
      p.longest.push_back(0);
      for (std::uint32_t k = p.phase_begin[phase]; k < p.phase_begin[phase + 1]; ++k)
        p.longest.back() = std::max(p.longest.back(), program.pulls[k].elements);
    }
    const std::size_t pulls = program.pulls.size() * sizeof(pull), operands = program.operands.size() * sizeof(pull_place);
    p.operands_at = (pulls + 15) / 16 * 16;
    std::vector<std::byte> bytes(p.operands_at + operands);
    if (pulls > 0) std::memcpy(bytes.data(), program.pulls.data(), pulls);
    if (operands > 0) std::memcpy(bytes.data() + p.operands_at, program.operands.data(), operands);
    p.table = buffer<std::byte, typename Device::space>(bytes.size());
    device_.fill(p.table.data(), bytes.data(), bytes.size());
    plans_.push_back(std::move(p));
  }

  Device device_;
  std::size_t half_;
  std::string why_not_;
  buffer<std::byte, typename Device::space> arena_;
  typename Device::event met_[2] = {}, last_{};
  std::vector<typename Device::peer> peers_;
  std::deque<kept_plan> plans_;
  std::vector<signature> signatures_;
  std::size_t pieces_ = 0, meetings_ = 0;
};

}  // namespace tutti::detail
