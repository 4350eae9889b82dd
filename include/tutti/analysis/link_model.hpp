#pragma once
#include <tutti/schedule/step.hpp>

namespace tutti {

/// What moving bytes between two ranks costs. A rate of 0 costs nothing.
struct link_model {
  double latency_s = 0;         ///< from the end of the sender's work until the receiver sees it
  double step_s = 0;            ///< of a processor, for each step at each end
  double send_bytes_per_s = 0;  ///< at which the sender's processor hands bytes over
  double recv_bytes_per_s = 0;  ///< at which the receiver's takes them
  double fold_bytes_per_s = 0;  ///< at which the receiver's takes and folds them
  double wire_bytes_per_s = 0;  ///< of the way between, which no processor attends to
  double near_bytes = 0;        ///< of a vector that stays in cache; what exceeds it moves at most at
  double far_bytes_per_s = 0;   ///< the rate of memory
};

// The defaults are the project's measurements of a two-core virtual machine:
// the ratios carry over, the figures may not.

/// A window: the sender copies into it, the receiver copies or folds out of it.
/// A flag takes 0.11 µs; a copy runs at 31 GB/s in cache and 5.1 in memory (a
/// fold, between 0.8 of that and the same); a step's interpretation may take 25 ns.
inline constexpr link_model window_link{.latency_s = 0.11e-6,
                                        .step_s = 25e-9,
                                        .send_bytes_per_s = 31e9,
                                        .recv_bytes_per_s = 31e9,
                                        .fold_bytes_per_s = 25e9,
                                        .near_bytes = 256 << 10,
                                        .far_bytes_per_s = 5.1e9};

/// Messages over tcp on one host, which both ends copy. Sending and receiving one
/// keeps the processor at each end for most of the time that it takes. Operands
/// arrive beside the vector and are folded then. Fitted to all algorithms from
/// 8 bytes to 8 MiB on 2 and 4 ranks.
inline constexpr link_model message_link{.latency_s = 2.0e-6,
                                         .step_s = 2.8e-6,
                                         .send_bytes_per_s = 6.2e9,
                                         .recv_bytes_per_s = 9.1e9,
                                         .fold_bytes_per_s = 8.7e9,
                                         .near_bytes = 1 << 20,
                                         .far_bytes_per_s = 5.2e9};

/// Every pair the same link. Any type with these members will do in its place,
/// `between` telling pairs apart, and `host` whose cores a rank runs on.
struct cost_model {
  link_model link = window_link;
  int cores = 0;               ///< that all ranks share, each host's ranks their part; 0: each has its own
  double switch_s = 1.3e-6;    ///< until a core goes on with another rank: fits to what calls on 4 and 8 ranks took gave 1.2 and 1.33 µs
  double slice_bytes = 64 << 10;  ///< of a chunk, moved while the next slice is on its way
  /// What folding several operands in one pass takes of folding them one by one: measured on
  /// 4 and 8 ranks from 24 KiB to 16 MiB.
  double folds_at_once = 0.62;
  /// What a line of ranks that share cores waits of what a single call would: who is before
  /// in it begins the next call meanwhile. Measured on 4 and 8 ranks up to 64 KiB.
  double waits_in_line = 0.75;

  constexpr const link_model& between(rank, rank) const { return link; }
  constexpr int host(rank) const { return 0; }
};

/// The same inside hosts, and another link between them.
struct hosts_model : cost_model {
  link_model across = message_link;
  team all{};

  constexpr const link_model& between(rank a, rank b) const { return all.same_host(a, b) ? link : across; }
  constexpr int host(rank r) const { return all.host(r); }
};

/// What a step costs its own processor, and what then passes on the wire.
struct step_cost {
  double busy_s = 0, wire_s = 0, latency_s = 0;
};

template <class Model>
constexpr step_cost cost_of(const step& s, rank me, double chunk_bytes, double vector_bytes, const Model& model) {
  auto seconds = [](double bytes, double rate) { return rate > 0 ? bytes / rate : 0.0; };
  const bool local = is_local(s.what), folds = s.what == verb::recv_reduce || s.what == verb::fold;
  const link_model& link = model.between(me, local ? me : s.peer);
  const double bytes = chunk_bytes * s.where.count;
  const double rate = folds                  ? link.fold_bytes_per_s
                      : s.what == verb::recv ? link.recv_bytes_per_s
                                             : link.send_bytes_per_s;
  const double near = link.near_bytes <= 0 || vector_bytes <= link.near_bytes ? 1 : link.near_bytes / vector_bytes;
  double moving = seconds(bytes, rate);
  const double far = seconds(bytes, link.far_bytes_per_s);
  if (far > moving) moving = near * moving + (1 - near) * far;
  return {.busy_s = link.step_s + moving,
          .wire_s = s.what == verb::send ? seconds(bytes, link.wire_bytes_per_s) : 0,
          .latency_s = s.what == verb::send ? link.latency_s : 0};
}

}  // namespace tutti
