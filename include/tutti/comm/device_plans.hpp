#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/device_call.hpp>
#include <tutti/comm/device_cost.hpp>
#include <tutti/comm/device_wait.hpp>
#include <tutti/device/buffer.hpp>
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

/// The call with its algorithm, chosen where it leaves that open; throws `invalid_argument`
/// where the collective is not done by the one that it names.
template <class T, class Op>
device_call<T, Op> with_algorithm(const communicator& c, device_call<T, Op> call) {
  if (call.algorithm == algorithm::automatic) call.algorithm = pulled_algorithm(call.what, call.count * sizeof(T), is_commutative<Op>, c.all());
  const collective what = call.what;
  const algorithm how = call.algorithm;
  if (!find_entry(what, how))
    throw error(errc::invalid_argument, format("rank %d: %s is not done by %s", c.world_rank(), name_of(what), name_of(how)), c.world_rank());
  if (reduces(what) && !is_commutative<Op> && !keeps_order(what, how, c.all()))
    throw error(errc::invalid_argument, format("rank %d: %s by %s needs an operation that is commutative", c.world_rank(), name_of(what), name_of(how)),
                c.world_rank());
  return call;
}

/// Elements at whose multiples chunks and what stands in arenas begin.
template <class T, class Op>
inline constexpr std::size_t pulled_grain = pull_body<T, Op>::packed == 1 ? 16 : pull_body<T, Op>::packed;

/// The programs of all ranks for so many elements of what is left of a call.
struct piece_programs {
  std::vector<pull_program> programs{};
  std::size_t elements = 0;
};

/// The largest piece of `left` elements of which `elements_of(programs)`, what the busiest rank
/// has in its arena, takes no more than `most_bytes`. Throws `invalid_argument` where even
/// the smallest takes more.
template <class T, class Op, class Elements>
piece_programs programs_within(std::size_t most_bytes, const communicator& c, const device_call<T, Op>& call, std::size_t left, Elements elements_of) {
  constexpr std::size_t grain = pulled_grain<T, Op>;
  const int root = std::max(0, call.root);
  std::vector<schedule> all;
  for (int r = 0; r < c.size(); ++r) all.push_back(make_schedule(call.what, call.algorithm, c.all(), {r}, {root}));
  for (std::size_t n = left;;) {
    std::vector<pull_program> programs = pull_programs(all, call.what, {root}, n, grain, call.in_place());
    const std::size_t most = elements_of(programs) * sizeof(T);
    if (most <= most_bytes) return {std::move(programs), n};
    if (n <= grain)
      throw error(errc::invalid_argument, format("rank %d: %s: windows of %zu bytes do not hold %zu elements for each of %d ranks; give more "
                                                 "window_bytes", c.world_rank(), name_of(call.what), 2 * most_bytes, n, c.size()), c.world_rank());
    n = std::max(grain, static_cast<std::size_t>(static_cast<double>(n) * static_cast<double>(most_bytes) / static_cast<double>(most)) / grain * grain);
  }
}

/// Elements from `begin` on of a call's input and output; no arenas yet.
template <class T, class Op>
pull_memories memories_from(const device_call<T, Op>& call, std::size_t begin) {
  return {.input = reinterpret_cast<const std::byte*>(call.input + (call.input ? begin : 0)),
          .output = reinterpret_cast<std::byte*>(call.output + (call.output ? begin : 0)),
          .input_block = call.count, .output_block = call.count};
}

/// One rank's programs for the shapes of calls that were last, on its device. What `More`
/// says of a program is for whoever keeps it.
template <class Device, class More>
class device_plans {
 public:
  using order = typename Device::order;

  static constexpr std::size_t most = 64;
  /// What the program of one takes at most.
  static std::size_t table_bytes(int ranks) { return 1024 * static_cast<std::size_t>(ranks); }

  // A program of this rank, pulls first: made on the host, and copied to the device
  // in the order of the first call that uses it.
  struct plan {
    collective what{};
    algorithm how{};
    int root = 0;
    std::size_t asked = 0, piece = 0, element = 0, used = 0;
    bool in_place = false, is_there = false;
    bool stays = false;  // it is kept until the end
    std::vector<std::uint32_t> phase_begin{};
    std::vector<std::size_t> longest{};  // elements, by phase
    std::vector<std::byte> bytes{};
    std::size_t operands_at = 0;
    More more{};
    typename Device::event filled{};

    std::size_t phases() const { return longest.size(); }
  };

  device_plans() = default;
  /// Throws what the device says.
  device_plans(const Device& device, int ranks) : device_(device), each_(table_bytes(ranks)), sources_(most * each_), tables_(device_.take(most * each_)) {
    for (plan& p : plans_) p.filled = device_.make_event();
  }

  std::size_t staying() const {
    return static_cast<std::size_t>(std::count_if(plans_.begin(), plans_.end(), [](const plan& p) { return p.stays; }));
  }

  /// For the next of `left` elements that are left of the call. `make()` gives what there is
  /// none for: the program of this rank, the elements of the piece, and more.
  template <class T, class Op, class Make>
  plan& find(const communicator& c, const device_call<T, Op>& call, std::size_t left, Make make) {
    plan* oldest = nullptr;
    for (plan& p : plans_) {
      if (p.asked == left && p.what == call.what && p.how == call.algorithm && p.root == call.root && p.element == sizeof(T) && p.in_place == call.in_place()) {
        p.used = ++uses_;
        return p;
      }
      if (!p.stays && (!oldest || p.used < oldest->used)) oldest = &p;
    }
    if (!oldest)
      throw error(errc::not_supported, format("rank %d: %s: all %zu programs that are kept are in graphs", c.world_rank(), name_of(call.what), most), c.world_rank());
    auto made = make();
    plan p = kept(made.program);
    p.what = call.what, p.how = call.algorithm, p.root = call.root, p.element = sizeof(T), p.in_place = call.in_place();
    p.asked = left, p.piece = made.elements, p.used = ++uses_, p.more = std::move(made.more);
    p.filled = std::move(oldest->filled);
    *oldest = std::move(p);
    return *oldest;
  }

  /// Before its phases are launched: has it on the device, in that order. The stream has
  /// waited for all that used the place before. Only what was once copied from the same
  /// pinned place is waited for here: 64 new shapes ago.
  void need(communicator& c, plan& p, const order& in_order) {
    if (p.is_there) return;
    const std::size_t at = index_of(p) * each_;
    finish_watched(device_, c, p.filled);
    if (!p.bytes.empty()) std::memcpy(sources_.data() + at, p.bytes.data(), p.bytes.size());
    device_.copy(tables_.data() + at, sources_.data() + at, p.bytes.size(), in_order);
    device_.record(p.filled, in_order);
    p.is_there = true;
  }

  template <class T, class Op>
  void launch(const plan& p, std::size_t phase, const pull_memories& memory, const Op& op, const order& in_order) const {
    if (p.longest[phase] == 0) return;
    const std::byte* table = tables_.data() + index_of(p) * each_;
    const pull* pulls = reinterpret_cast<const pull*>(table);
    const pull_body<T, Op> body{pulls + p.phase_begin[phase], pulls + p.phase_begin[phase + 1],
                                reinterpret_cast<const pull_place*>(table + p.operands_at), memory, op};
    device_.launch(body, p.longest[phase] / pull_body<T, Op>::packed + 1, in_order);
  }

 private:
  std::size_t index_of(const plan& p) const { return static_cast<std::size_t>(&p - plans_.data()); }

  plan kept(const pull_program& program) const {
    plan p;
    p.phase_begin = program.phase_begin;
    for (std::size_t phase = 0; phase + 1 < p.phase_begin.size(); ++phase) {
      p.longest.push_back(0);
      for (std::uint32_t k = p.phase_begin[phase]; k < p.phase_begin[phase + 1]; ++k)
        p.longest.back() = std::max(p.longest.back(), program.pulls[k].elements);
    }
    const std::size_t pulls = program.pulls.size() * sizeof(pull), operands = program.operands.size() * sizeof(pull_place);
    p.operands_at = (pulls + 15) / 16 * 16;
    p.bytes.resize(p.operands_at + operands);
    if (p.bytes.size() > each_) throw error(errc::not_supported, format("a program of %zu bytes, and %zu are kept for one", p.bytes.size(), each_));
    if (pulls > 0) std::memcpy(p.bytes.data(), program.pulls.data(), pulls);
    if (operands > 0) std::memcpy(p.bytes.data() + p.operands_at, program.operands.data(), operands);
    return p;
  }

  Device device_;
  std::size_t each_ = 0;
  buffer<std::byte, typename Device::staging> sources_{};
  typename Device::taken tables_{};  // goes before what streams copy from, since it waits for them
  std::array<plan, most> plans_{};
  std::size_t uses_ = 0;
};

}  // namespace tutti::detail
