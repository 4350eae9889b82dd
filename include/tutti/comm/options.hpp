#pragma once
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>

#include <tutti/base/cores.hpp>
#include <tutti/base/environment.hpp>
#include <tutti/schedule/algorithm.hpp>

namespace tutti {

/// Who advances the asynchronous collectives of a communicator.
enum class progress : std::uint8_t {
  caller,  ///< any call of the library on the same session
  thread,  ///< a thread of its own, which sleeps when there is nothing to do
};

/// How a rank waits: it looks `spins` times in a row, then `yields` times with
/// the processor offered to others in between, then it sleeps until it is
/// woken, looking at the health of its peers every `stretch` seconds.
struct waiting_policy {
  int spins = 0;
  int yields = 0;
  double stretch = 0.1;
};

/// Spinning pays only where every rank has a core of its own, and not for long:
/// where somebody else wants that core too, a peer that has none stands still
/// until the spinning rank yields or its time slice of milliseconds is over.
constexpr waiting_policy default_waiting(int ranks_here, int cores) {
  return ranks_here <= cores ? waiting_policy{.spins = 200, .yields = 2000} : waiting_policy{.spins = 0, .yields = 200};
}

/// What `TUTTI_WAITING` says, as in `200,2000` or `200,2000,0.1`; nothing where it
/// is not set. Throws `invalid_argument`.
inline std::optional<waiting_policy> waiting_from_environment() {
  const char* text = environment("TUTTI_WAITING");
  if (!text) return {};
  waiting_policy p;
  int two = 0, three = 0;  // characters that so many numbers take
  std::sscanf(text, "%d,%d%n,%lf%n", &p.spins, &p.yields, &two, &p.stretch, &three);
  const bool ends = two > 0 && text[three > 0 ? three : two] == '\0';
  if (!ends || p.spins < 0 || p.yields < 0 || !(p.stretch >= 0.001 && p.stretch <= 0.5))
    throw error(errc::invalid_argument, format("TUTTI_WAITING is '%s': it takes looks,yields or looks,yields,seconds, these from 0.001 to 0.5", text));
  return p;
}

/// What a rank asks of its session, for all communicators.
struct session_options {
  /// Seconds after which an operation that a living rank does not join becomes
  /// an error. `TUTTI_DEADLINE` sets the default.
  double deadline = environment_number("TUTTI_DEADLINE", 300, 0.01, 1e9);
  /// How this rank waits; where nothing is said, as `default_waiting` has it.
  /// `TUTTI_WAITING` sets the default.
  std::optional<waiting_policy> waiting = waiting_from_environment();
};

/// Of one communicator; ranks need not ask for the same.
struct communicator_options {
  /// `thread` for collectives that should go on while the rank computes: it
  /// costs a thread and, for a call that is waited for at once, waking it.
  tutti::progress progress = tutti::progress::caller;
  /// The most bytes of this rank's memory that its channels to neighbours take,
  /// for as long as it lives; fewer make long vectors slower where there are
  /// many ranks, and below some 760 KiB there is no place to show what others
  /// read: then all goes by messages. See `communicator::scratch_bytes`.
  std::size_t channel_bytes = std::size_t{1} << 20;
  /// The most bytes that its operations keep between calls, so that those like
  /// them need not allocate (`plan::scratch_bytes` is what a call needs). What is
  /// beyond is given back, by those used longest ago first; of a call that alone
  /// needs more, once it has ended: where it was under way, with the next call.
  std::size_t kept_bytes = static_cast<std::size_t>(-1);
  /// Messages between two ranks go by message links also where windows join them, as those of
  /// memory must that the host neither loads nor stores. Collectives go as they would, but that
  /// from then on the session's engine asks the system for messages before it sleeps, and short
  /// calls become operations. The same on all ranks.
  bool message_links = false;
};

struct call_options {
  /// How the collective is done; every rank must ask for the same.
  /// `automatic` follows `TUTTI_ALGORITHM`, and without it the cost model.
  tutti::algorithm algorithm = tutti::algorithm::automatic;
};

}  // namespace tutti
