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

/// Runs `c` on `ranks` ranks. Every output is poisoned first, every input
/// compared with itself afterwards.
template <class T, class Op>
outcome run(call_shape c, int ranks, std::uint64_t seed, simulation_options options = {}) {
  const team all{ranks};
  const auto p = static_cast<std::size_t>(ranks);
  const bool blocks = blocked(c.what);
  c.element = sizeof(T);
  const bool splits = c.what == collective::reduce_scatter || c.what == collective::scatter;
  const bool collects = c.what == collective::all_gather || c.what == collective::gather;
  const bool swaps = c.what == collective::all_to_all;
  const std::size_t in_count = splits || swaps ? c.count * p : c.count;
  const std::size_t out_count = collects || swaps ? c.count * p : c.count;
  static const Op op{};
  T poison;
  std::memset(static_cast<void*>(&poison), 0x5a, sizeof poison);

  simulated_network net(ranks, seed, options);
  std::vector<std::vector<T>> inputs(p), outputs(p), scratch(p);
  std::vector<std::unique_ptr<prepared_call>> plans(p);
  std::vector<execution> agreements(p), bodies(p);
  outcome result;
  for (std::size_t r = 0; r < p; ++r) {
    for (std::size_t i = 0; i < in_count; ++i) inputs[r].push_back(operand<T>(static_cast<int>(r), i));
    outputs[r].assign(out_count, poison);
    const bool same = c.what == collective::broadcast || c.in_place;
    if (same) outputs[r] = inputs[r];
    plans[r] = prepare(c, all, {static_cast<int>(r)});
    const program& body = plans[r]->body;
    scratch[r].resize(body.scratch_bytes / sizeof(T) + 1, poison);
    execution_data data{.input = reinterpret_cast<const std::byte*>(same ? outputs[r].data() : inputs[r].data()),
                        .output = reinterpret_cast<std::byte*>(outputs[r].data()),
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

  for (std::size_t r = 0; r < p && result.wrong.empty(); ++r) {
    const int me = static_cast<int>(r);
    for (std::size_t i = 0; i < in_count && c.what != collective::broadcast; ++i)
      if (!(inputs[r][i] == operand<T>(me, i))) result.wrong = "an input was changed";
    for (std::size_t i = 0; i < out_count; ++i) {
      T want = poison;
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
      if (!(outputs[r][i] == want)) result.wrong = "rank " + std::to_string(r) + ", element " + std::to_string(i);
    }
  }
  return result;
}

}  // namespace simulate
