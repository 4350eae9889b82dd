#pragma once
// One collective on a simulated network, checked exactly.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tutti/comm/execution.hpp>
#include <tutti/comm/plan.hpp>
#include <tutti/transport/simulated.hpp>

namespace simulate {

using namespace tutti;

/// x → a·x + b modulo a prime: composing such maps is associative, and not
/// commutative, so that a wrong order shows.
struct affine {
  std::uint32_t a = 1, b = 0;
  friend bool operator==(affine, affine) = default;
};

struct compose {
  static constexpr bool commutative = false;
  static constexpr std::uint64_t prime = 4294967291u;
  affine operator()(affine f, affine g) const {
    return {static_cast<std::uint32_t>(std::uint64_t{f.a} * g.a % prime),
            static_cast<std::uint32_t>((std::uint64_t{g.a} * f.b + g.b) % prime)};
  }
};

template <class T>
T operand(int rank, std::size_t i);
template <>
inline std::int64_t operand<std::int64_t>(int rank, std::size_t i) {
  return static_cast<std::int64_t>(i + 1) * 1000003 + (rank + 1) * 7919;
}
template <>
inline affine operand<affine>(int rank, std::size_t i) {
  return {static_cast<std::uint32_t>(3 + 2 * static_cast<unsigned>(rank) + i % 5), static_cast<std::uint32_t>(i * 31 + static_cast<unsigned>(rank))};
}

struct outcome {
  std::string wrong;  ///< empty where all is right
  std::uint64_t bytes_billed = 0, bytes_sent = 0;
  int strangers = 0;  ///< ranks that have met another call: then no more is looked at than that no output has changed
};

template <class T>
T poison() {
  T p;
  std::memset(static_cast<void*>(&p), 0x5a, sizeof p);
  return p;
}

/// The inputs and outputs of all ranks before a call: every output is poisoned.
template <class T>
struct memories {
  std::vector<std::vector<T>> inputs, outputs;
  bool same;  // the input is the output

  memories(const call_shape& c, int ranks) : inputs(static_cast<std::size_t>(ranks)), outputs(inputs), same(c.what == collective::broadcast || c.in_place) {
    const auto p = static_cast<std::size_t>(ranks);
    const bool splits = c.what == collective::reduce_scatter || c.what == collective::scatter;
    const bool collects = c.what == collective::all_gather || c.what == collective::gather;
    const bool swaps = c.what == collective::all_to_all;
    for (std::size_t r = 0; r < p; ++r) {
      for (std::size_t i = 0; i < (splits || swaps ? c.count * p : c.count); ++i)
        inputs[r].push_back(operand<T>(static_cast<int>(r), i));
      outputs[r].assign(collects || swaps ? c.count * p : c.count, poison<T>());
      if (same) outputs[r] = inputs[r];
    }
  }
  const std::byte* input(std::size_t r) const { return reinterpret_cast<const std::byte*>((same ? outputs : inputs)[r].data()); }
  std::byte* output(std::size_t r) { return reinterpret_cast<std::byte*>(outputs[r].data()); }

  /// What is not as it should be after the call; empty where all is right.
  template <class Op>
  std::string wrong(const call_shape& c, const Op& op) const {
    const int ranks = static_cast<int>(inputs.size());
    const bool blocks = blocked(c.what), swaps = c.what == collective::all_to_all;
    const bool collects = c.what == collective::all_gather || c.what == collective::gather;
    for (std::size_t r = 0; r < inputs.size(); ++r) {
      const int me = static_cast<int>(r);
      for (std::size_t i = 0; i < inputs[r].size() && c.what != collective::broadcast; ++i)
        if (!(inputs[r][i] == operand<T>(me, i))) return "an input was changed";
      for (std::size_t i = 0; i < outputs[r].size(); ++i) {
        T want = poison<T>();
        if (c.what == collective::broadcast) {
          want = operand<T>(c.root, i);
        } else if (c.what == collective::scatter) {
          want = operand<T>(c.root, r * c.count + i);
        } else if (swaps) {
          want = operand<T>(static_cast<int>(i / c.count), r * c.count + i % c.count);
        } else if (collects) {
          if (c.what == collective::all_gather || me == c.root) want = operand<T>(static_cast<int>(i / c.count), i % c.count);
        } else if (c.what == collective::exclusive_scan && me == 0) {
          // stays as it was
        } else if (c.what != collective::reduce || me == c.root) {
          const std::size_t at = blocks ? r * c.count + i : i;
          want = operand<T>(0, at);
          const int last = c.what == collective::scan ? me + 1 : c.what == collective::exclusive_scan ? me : ranks;
          for (int q = 1; q < last; ++q) want = op(want, operand<T>(q, at));
        }
        if (!(outputs[r][i] == want)) return "rank " + std::to_string(r) + ", element " + std::to_string(i);
      }
    }
    return "";
  }
};

/// One rank of a call.
template <class T>
struct member {
  std::vector<T> input, output, scratch;
  std::unique_ptr<prepared_call> plan;
  execution agreement, body;

  /// Everything else than input and output, which must not move any more.
  void start(const call_shape& c, const team& all, int me, const fold_function& fold, T poison, bool same) {
    plan = prepare(c, all, {me});
    scratch.resize(plan->body.scratch_bytes / sizeof(T) + 1, poison);
    const execution_data data{.input = reinterpret_cast<const std::byte*>(same ? output.data() : input.data()),
                              .output = reinterpret_cast<std::byte*>(output.data()),
                              .scratch = reinterpret_cast<std::byte*>(scratch.data()),
                              .element = sizeof(T), .alignment = alignof(T), .fold = fold, .pairs = plan->pairs};
    const envelope mark{.fingerprint = plan->shape, .what = &plan->what, .element = sizeof(T)};
    if (plan->agree_first) agreement.start(plan->agreement, {.pairs = plan->pairs}, mark);
    body.start(plan->body, data, mark);
  }
};

/// Lets all go on at any time, some of them late, but for those that have met a
/// stranger; false where they stop before all are done.
template <class T>
bool drive(simulated_network& net, std::vector<member<T>>& team) {
  const std::size_t p = team.size();
  std::vector<std::uint64_t> starts(p);
  for (auto& s : starts) s = net.draw(50);
  std::size_t done = 0;
  std::vector<bool> finished(p);
  for (std::uint64_t tick = 0, idle = 0; done < p; ++tick) {
    bool moved = false;
    for (std::size_t tries = 0; tries < p; ++tries) {
      const auto r = static_cast<std::size_t>(net.draw(p));
      if (finished[r] || tick < starts[r]) continue;
      auto ports = net.of(static_cast<int>(r));
      const bool agreed = !team[r].plan->agree_first || team[r].agreement.done();
      execution& now = agreed ? team[r].body : team[r].agreement;
      moved |= now.progress(ports);
      if (agreed && now.done()) {
        finished[r] = true;
        ++done;
      }
    }
    net.advance();
    idle = moved ? 0 : idle + 1;
    // Refusals and skipped turns make idle ticks too: with this many, chance is out.
    if (idle > net.patience() + 2000) return false;
  }
  return true;
}

/// Runs `c` on `ranks` ranks. Every output is poisoned first, every input
/// compared with itself afterwards.
template <class T, class Op>
outcome run(call_shape c, int ranks, std::uint64_t seed, simulation_options options = {}) {
  const team all{ranks};
  const auto p = static_cast<std::size_t>(ranks);
  c.element = sizeof(T);
  static const Op op{};

  simulated_network net(ranks, seed, options);
  memories<T> kept(c, ranks);
  std::vector<member<T>> members(p);
  outcome result;
  for (std::size_t r = 0; r < p; ++r) {
    members[r].input.swap(kept.inputs[r]);
    members[r].output.swap(kept.outputs[r]);
    members[r].start(c, all, static_cast<int>(r), fold_function_of<T>(op), poison<T>(), kept.same);
    result.bytes_billed += members[r].plan->body.sent_bytes;
  }
  if (!drive(net, members)) {
    result.wrong = "deadlock";
    return result;
  }
  result.bytes_sent = net.bytes_sent();
  for (std::size_t r = 0; r < p; ++r) {
    kept.inputs[r].swap(members[r].input);
    kept.outputs[r].swap(members[r].output);
  }
  result.wrong = kept.wrong(c, op);
  return result;
}

/// Counts of blocks by which `ranks` ranks may exchange: counts[s][d] from s to d.
using count_table = std::vector<std::vector<std::size_t>>;

/// Runs the form of `c` whose blocks differ in length: of all_to_all by the table,
/// else by its first row. `spoil` may change what one rank is told.
template <class T, class Op, class Spoil>
outcome run_uneven(call_shape c, const count_table& table, std::uint64_t seed, const Spoil& spoil, simulation_options options = {}) {
  const auto p = table.size();
  const auto& blocks = table.front();
  const bool swaps = c.what == collective::all_to_all, splits = c.what == collective::reduce_scatter || c.what == collective::scatter;
  static const Op op{};
  const T poisoned = poison<T>();
  auto sum = [](const std::vector<std::size_t>& counts, std::size_t first) {
    std::size_t total = 0;
    for (std::size_t i = 0; i < first; ++i) total += counts[i];
    return total;
  };
  c.element = sizeof(T);
  c.uneven = true;
  simulated_network net(static_cast<int>(p), seed, options);
  std::vector<member<T>> members(p);
  count_table to(p), from(p);
  outcome result;
  std::vector<T> wanted;
  for (std::size_t r = 0; r < p; ++r) {
    member<T>& m = members[r];
    to[r] = swaps ? table[r] : blocks;
    for (std::size_t s = 0; swaps && s < p; ++s) from[r].push_back(table[s][r]);
    const bool root = static_cast<int>(r) == c.root;
    if (rooted(c.what) && !root) to[r].clear();
    call_shape mine = c;
    mine.count = to[r].empty() ? blocks[r] : sum(to[r], p);
    spoil(static_cast<int>(r), to[r], from[r], mine.count);
    mine.counts = to[r];
    mine.received = from[r];
    const std::size_t whole = sum(to[r], to[r].size()), own = to[r].empty() ? mine.count : to[r][r];
    const std::size_t in_count = splits || swaps ? whole : own, out_count = swaps ? sum(from[r], p) : splits ? own : whole;
    for (std::size_t i = 0; i < in_count; ++i) m.input.push_back(operand<T>(static_cast<int>(r), i));
    m.output.assign(out_count, poisoned);
    if (c.in_place) {
      m.output.resize(std::max(in_count, out_count), poisoned);
      std::copy(m.input.begin(), m.input.end(), m.output.begin());
    }
    m.start(mine, {static_cast<int>(p)}, static_cast<int>(r), fold_function_of<T>(op), poisoned, c.in_place);
    result.bytes_billed += m.plan->body.sent_bytes;
  }
  std::vector<std::vector<T>> before(p);
  for (std::size_t r = 0; r < p; ++r) before[r] = members[r].output;
  const bool ended = drive(net, members);
  result.bytes_sent = net.bytes_sent();
  for (std::size_t r = 0; r < p; ++r) {
    const member<T>& m = members[r];
    result.strangers += (m.plan->agree_first && m.agreement.met().met) || m.body.met().met;
    if (!ended && !(m.output == before[r])) result.wrong = "rank " + std::to_string(r) + " changed its output, though not all agreed";
  }
  if (!ended && result.strangers == 0) result.wrong = "deadlock";
  if (!ended) return result;
  for (std::size_t r = 0; r < p && result.wrong.empty(); ++r) {
    const int me = static_cast<int>(r);
    wanted.clear();
    auto put = [&](std::size_t source, std::size_t first, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) wanted.push_back(operand<T>(static_cast<int>(source), first + i));
    };
    if (swaps) {
      for (std::size_t s = 0; s < p; ++s) put(s, sum(table[s], r), table[s][r]);
    } else if (c.what == collective::scatter) {
      put(static_cast<std::size_t>(c.root), sum(blocks, r), blocks[r]);
    } else if (c.what == collective::reduce_scatter) {
      for (std::size_t i = 0; i < blocks[r]; ++i) {
        T total = operand<T>(0, sum(blocks, r) + i);
        for (std::size_t s = 1; s < p; ++s) total = op(total, operand<T>(static_cast<int>(s), sum(blocks, r) + i));
        wanted.push_back(total);
      }
    } else if (c.what == collective::all_gather || me == c.root) {
      for (std::size_t s = 0; s < p; ++s) put(s, 0, blocks[s]);
    }
    for (std::size_t i = 0; i < members[r].input.size(); ++i)
      if (!(members[r].input[i] == operand<T>(me, i))) result.wrong = "an input was changed";
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (!(members[r].output[i] == wanted[i])) result.wrong = "rank " + std::to_string(r) + ", element " + std::to_string(i);
    if (!c.in_place && members[r].output.size() != wanted.size()) result.wrong = "outputs of other lengths";
  }
  return result;
}

}  // namespace simulate
