#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/space.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/transport/billboard.hpp>
#include <tutti/transport/doorbell.hpp>
#include <tutti/transport/link_kind.hpp>
#include <tutti/transport/loan.hpp>
#include <tutti/transport/port.hpp>
#include <tutti/transport/survivors.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

/// How far a rank has come on a communicator, and in which call; written by it,
/// read by others only when they look for who is late or astray.
struct alignas(64) rank_status {
  std::atomic<std::uint64_t> entered{0};    ///< the last operation it has begun
  std::atomic<std::uint64_t> completed{0};  ///< the last it has completed
  std::atomic<std::uint32_t> left{0};       ///< 1 once it will begin no more
  std::atomic<std::uint64_t> shape{0};      ///< fingerprint of the call it has entered last, but for the number

  /// From here on it is in operation `number`, a call of that shape.
  void enter(const call& what, std::uint64_t its_shape, std::uint64_t number) {
    approach(what, its_shape, number);
    entered.store(number, std::memory_order_release);
  }

  /// The first half of that: others may look in between.
  void approach(const call& what, std::uint64_t its_shape, std::uint64_t number) {
    entering_.store(number, std::memory_order_relaxed);
    if (shape.load(std::memory_order_relaxed) != its_shape) {
      std::uint64_t bytes[words];
      std::memcpy(bytes, &what, sizeof what);
      for (std::size_t i = 0; i < words; ++i) what_[i].store(bytes[i], std::memory_order_release);
      shape.store(its_shape, std::memory_order_release);
    }
  }

  /// What the rank called as operation `number`, where it is in that one and
  /// called something else than `expected`.
  std::optional<call> astray(std::uint64_t number, std::uint64_t expected) const {
    if (entered.load(std::memory_order_acquire) != number || shape.load(std::memory_order_acquire) == expected) return {};
    std::uint64_t bytes[words];
    for (std::size_t i = 0; i < words; ++i) bytes[i] = what_[i].load(std::memory_order_acquire);
    // On its way into the next one, it has that one's shape already.
    if (entering_.load(std::memory_order_relaxed) != number) return {};
    call what;
    std::memcpy(&what, bytes, sizeof what);
    what.number = number;
    return what;
  }

 private:
  static constexpr std::size_t words = sizeof(call) / 8;
  std::atomic<std::uint64_t> what_[words] = {};
  std::atomic<std::uint64_t> entering_{0};  // ahead of what it then writes, as `entered` is behind
};

/// The channels of one communicator: a sending and a receiving port for each
/// peer. Used by one thread at a time.
class link {
 public:
  virtual ~link() = default;
  virtual send_port& to(int peer) = 0;
  virtual recv_port& from(int peer) = 0;
  virtual link_kind kind(int peer) const = 0;

  /// This rank's own status, and a peer's, or null where it cannot be seen from
  /// here.
  virtual rank_status& status() = 0;
  virtual const rank_status* status_of(int peer) const = 0;

  /// By member, on which host it is, so far as windows show it: numbered as in a
  /// team, the same answer on all. Empty where all are on one.
  virtual std::vector<int> hosts() const { return {}; }

  /// Of this rank's memory that its channels hold.
  virtual std::size_t bytes() const { return 0; }

  /// When the connection with a peer ended, in seconds of `now()`; 0 where it has
  /// not, or where there is none.
  virtual double broken_since(int peer) const { return static_cast<void>(peer), 0; }

  /// Whether any two members can lend each other memory: the same answer on all.
  virtual bool lends() const { return false; }
  /// Names memory of this rank to its peers; 0 where they cannot reach all of it.
  virtual loan lend(const std::byte* data, std::size_t bytes) const { return static_cast<void>(data), static_cast<void>(bytes), 0; }
  /// Where a peer's loan lies here, to be read and written; null where the peer
  /// has given it up. Throws `link` where it has not, and cannot be reached.
  virtual std::byte* borrowed(int peer, loan from) { return static_cast<void>(peer), static_cast<void>(from), nullptr; }

  /// Where all members see at once what each shows; null where some cannot: the
  /// same answer on all.
  virtual billboard* board() { return nullptr; }

  /// Tells peers that cannot see this rank's status in which call it waits.
  virtual void tell(const call& what, std::uint64_t shape) { static_cast<void>(what), static_cast<void>(shape); }
};

/// What a link is made for: collectives, whose pieces are long, or messages
/// between ranks, for which it takes less memory; or messages of which none goes through
/// a window, so that each may lie in memory that only message links move.
enum class link_use : std::uint8_t { collectives, messages, no_windows };

/// What one thread of a rank needs to move data: it makes links, moves what
/// needs a processor to be moved, and sleeps until something may have come.
class engine_transport {
 public:
  static constexpr std::size_t usual_channel_bytes = std::size_t{1} << 20;

  virtual ~engine_transport() = default;

  /// Collective over the members, named by their ranks in the world; `me` is
  /// this rank's place among them.
  /// Its channels take at most `most_bytes` of this rank's memory, where windows
  /// need any: throws `invalid_argument` where that is too little.
  virtual std::unique_ptr<link> connect(const std::vector<int>& members, int me, exchange& with,
                                        link_use use = link_use::collectives, std::size_t most_bytes = usual_channel_bytes) = 0;

  /// True where something moved.
  virtual bool progress() = 0;

  /// Whether that asks the system each time, so that spinning on it is no
  /// cheaper than offering the processor to others in between.
  virtual bool asks_the_system() const { return false; }

  /// Sleeps up to `seconds` unless `look` finds work; `wake` from another
  /// thread ends it.
  virtual void sleep(double seconds, bool (*look)(void*), void* context) = 0;
  virtual void wake() = 0;

  /// After a verdict: takes the memory of calls back from whatever still uses
  /// it. Nothing moves afterwards.
  virtual void abandon() {}
};

/// How a session's ranks are joined. One a session; an `engine_transport` for
/// each thread that moves data.
class fabric {
 public:
  virtual ~fabric() = default;

  /// The lowest operation that this rank has not completed, on the communicator
  /// in which it waits or that it used last: an `operation_id`; for reports of
  /// what a failure cut short.
  std::atomic<std::uint64_t>& open_operation() { return *open_operation_; }

  virtual std::unique_ptr<engine_transport> make_engine() = 0;
  virtual verdict_board& board() = 0;
  /// To be called where the board has any.
  virtual verdict given() {
    return board().read([this](int) { return open_operation().load(std::memory_order_relaxed); });
  }

  /// Looks whether a peer has died or stopped, and declares it if so.
  /// `stuck_on` is the operation (an `operation_id`) in which this rank waits,
  /// over that link of those members. Called from sleeps.
  virtual void examine(std::uint64_t stuck_on, const link& over, const std::vector<int>& members) = 0;

  /// Makes a verdict known to all; the first one counts.
  virtual void declare(const verdict& v) = 0;

  /// Where buffers lie that neighbours read in place; null where none does.
  virtual std::shared_ptr<memory_source> memory() { return nullptr; }

  /// Why links for `link_use::no_windows` cannot move such memory; empty where they can.
  virtual std::string why_not_moved(memory_kind kind) const {
    return kind == memory_kind::host ? "" : "ranks that are threads of one process exchange no messages of device memory";
  }

  /// From here on this rank's end is no failure.
  virtual void leave() = 0;

  /// After a verdict, collective over the ranks that go on: they agree on who
  /// they are. A rank that lives and does not come within `patience` seconds is
  /// given up. Throws `expelled` where the others have gone on without this rank.
  virtual std::unique_ptr<survivors> gather_survivors(double patience) {
    static_cast<void>(patience);
    throw error(errc::not_supported, "ranks that are threads of one process cannot be shrunk");
  }

  /// In one sentence: which links there are, and to whom.
  virtual std::string describe() const = 0;

 protected:
  std::atomic<std::uint64_t>* open_operation_ = &own_open_operation_;  // others may see it

 private:
  std::atomic<std::uint64_t> own_open_operation_{1};
};

}  // namespace tutti
