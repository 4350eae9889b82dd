#pragma once
// One collective on a simulated network, checked exactly.
#include <cstdint>
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

/// Runs `c` on `ranks` ranks. Every output is poisoned first, every input
/// compared with itself afterwards.
template <class T, class Op>
outcome run(call_shape c, int ranks, std::uint64_t seed, simulation_options options = {}) {
  const team all{ranks};
  const auto p = static_cast<std::size_t>(ranks);
  c.element = sizeof(T);
  static const Op op{};
  memories<T> all_memory(c, ranks);
  simulated_network net(ranks, seed, options);
  std::vector<std::vector<T>> scratch(p);
  std::vector<std::unique_ptr<prepared_call>> plans(p);
  std::vector<execution> agreements(p), bodies(p);
  outcome result;
  for (std::size_t r = 0; r < p; ++r) {
    plans[r] = prepare(c, all, {static_cast<int>(r)});
    const program& body = plans[r]->body;
    scratch[r].resize(body.scratch_bytes / sizeof(T) + 1, poison<T>());
    execution_data data{.input = all_memory.input(r),
                        .output = all_memory.output(r),
                        .scratch = reinterpret_cast<std::byte*>(scratch[r].data()),
                        .element = sizeof(T), .alignment = alignof(T), .fold = {apply_fold<T, Op>, &op}};
    const envelope mark{.fingerprint = 1, .what = &plans[r]->what, .element = sizeof(T)};
    if (plans[r]->agree_first) agreements[r].start(plans[r]->agreement, {}, mark);
    bodies[r].start(body, data, mark);
    result.bytes_billed += body.sent_bytes;
  }

  // A rank may start late, and go on at any time.
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
      const bool agreed = !plans[r]->agree_first || agreements[r].done();
      moved |= (agreed ? bodies[r] : agreements[r]).progress(ports);
      if (agreed && bodies[r].done()) {
        finished[r] = true;
        ++done;
      }
    }
    net.advance();
    idle = moved ? 0 : idle + 1;
    // Refusals and skipped turns make idle ticks too: with this many, chance is out.
    if (idle > net.patience() + 2000) {
      result.wrong = "deadlock";
      return result;
    }
  }
  result.bytes_sent = net.bytes_sent();

  result.wrong = all_memory.wrong(c, op);
  return result;
}

}  // namespace simulate
