#pragma once
#include <cstddef>
#include <cstdint>

#include <tutti/base/space.hpp>
#include <tutti/base/tally.hpp>
#include <tutti/transport/call.hpp>

namespace tutti {

/// What travels with every piece: enough to notice that the other end is in
/// another operation, and to say which.
struct envelope {
  std::uint64_t fingerprint = 0;
  const call* what = nullptr;   ///< valid while the piece is
  std::uint32_t element = 1;    ///< bytes; a piece holds whole elements where one fits
  std::uint64_t shape = 0;      ///< the same for calls that differ in nothing but their number; 0 where that is not known
  memory_kind memory = memory_kind::host;  ///< of the bytes that are sent; any other than the host's is for message links only
};

/// A run of bytes that has arrived and not been consumed.
struct piece {
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  envelope from{};
  bool lent = false;  ///< the sender's own memory, which it may change after a verdict
};

/// The end of a channel to one peer that sends: bytes in order, in pieces of
/// the link's choice.
class send_port {
 public:
  static constexpr std::ptrdiff_t full = -1;

  virtual ~send_port() = default;

  /// Takes up to `bytes` bytes and returns how many, or `full` where it takes
  /// none at present. With `bytes` = 0 one empty piece travels. A link that
  /// does not copy keeps the bytes until they no longer count in `in_flight`.
  virtual std::ptrdiff_t send(const std::byte* data, std::size_t bytes, const envelope& e) = 0;

  /// Of all bytes taken, how many at the end must not change yet. Some links
  /// learn only in `settle` that there are fewer.
  std::size_t in_flight = 0;
  virtual void settle() {}

  /// Where the executor counts what the port takes; null for nowhere.
  traffic_tally* counted = nullptr;
  void count(std::size_t bytes) {
    if (counted) counted->add(bytes);
  }
};

/// The end of a channel from one peer that receives.
class recv_port {
 public:
  virtual ~recv_port() = default;

  /// The fingerprint of the operation that the caller is in; set by it.
  std::uint64_t expected = 0;

  /// Of the place that the caller offers next; set by it. What goes to any other memory than
  /// the host's must have been sent from that kind.
  memory_kind place_is = memory_kind::host;

  /// What was to be delivered is lost: nothing more will come. Set by the link.
  bool broken = false;

  /// The next piece, or null where none is complete. `place`, where not null,
  /// has room for `room` bytes at the position that the stream has reached: a
  /// link may put bytes of the expected operation there at once, and says so by
  /// `data == place`. A caller that offers a place offers it until the piece is
  /// consumed. A piece of another operation may come without its data.
  virtual const piece* receive(std::byte* place, std::size_t room) = 0;

  /// What the next piece belongs to, where one is known to be on its way, else
  /// null. Moves nothing.
  virtual const envelope* peek() { return nullptr; }

  /// The first `bytes` bytes of the piece are used; all of them, and the next
  /// piece may be asked for.
  virtual void consume(std::size_t bytes) = 0;
};

}  // namespace tutti
