#pragma once
#include <cstddef>
#include <cstdint>

namespace tutti {

/// Names a run of bytes in its owner's memory to a peer that can see it; 0 names
/// nothing. Lending is zero-copy: the owner exposes memory, the peer attaches to
/// it (opens it) and reads the bytes where they are.
using loan = std::uint64_t;

/// From this size on, in bytes, a loan costs less than a copy through a slot.
inline constexpr std::size_t least_loan = 8192;
/// A longer run is lent in pieces, so that whoever waits for its beginning need
/// not wait for its end.
inline constexpr std::size_t longest_loan = std::size_t{128} << 10;

/// Knows which of this rank's memory its peers can read.
class lender {
 public:
  virtual ~lender() = default;
  /// 0 where the peers cannot read all of it.
  virtual loan lend(const std::byte* data, std::size_t bytes) const = 0;
};

/// Finds what a peer has lent.
class borrower {
 public:
  virtual ~borrower() = default;
  /// Null where the peer has ended; throws `link` where it cannot be reached
  /// though the peer lives.
  virtual std::byte* find(int peer, loan from) = 0;
};

}  // namespace tutti
