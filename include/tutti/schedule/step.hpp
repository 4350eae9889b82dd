#pragma once
#include <cstdint>
#include <vector>

#include <tutti/schedule/team.hpp>

namespace tutti {

enum class verb : std::uint8_t {
  send,         ///< where → peer
  recv,         ///< peer → where
  recv_reduce,  ///< with ∘ peer → where, or peer ∘ with → where
  copy,         ///< with → where
  fold,         ///< with ∘ where → where, or where ∘ with → where
};

/// Whether a step concerns nobody else.
constexpr bool is_local(verb what) { return what == verb::copy || what == verb::fold; }
/// Whether a step reads chunks besides those that it sends or writes.
constexpr bool has_operand(verb what) { return what != verb::send && what != verb::recv; }

/// On which side of the operation the incoming operand stands.
enum class side : std::uint8_t { left, right };

/// Consecutive chunks, moved as one.
struct chunks {
  chunk first{};
  int count = 1;

  constexpr chunks() = default;
  constexpr chunks(chunk only) : first(only) {}  // NOLINT: one chunk is a range of one
  constexpr chunks(chunk begin, int number) : first(begin), count(number) {}
  friend constexpr bool operator==(chunks, chunks) = default;
};

/// One verb of a schedule, as one rank performs it.
struct step {
  verb what = verb::send;
  side incoming = side::left;  ///< of recv_reduce; of fold, where `with` stands
  rank peer{};                 ///< of send, recv and recv_reduce
  chunks where{};              ///< what is sent, or written
  chunks with{};               ///< the local operand of recv_reduce and fold, the source of copy

  friend constexpr bool operator==(const step&, const step&) = default;
};

/// What one rank does in a collective, over chunk numbers: no address, element
/// type, transport or stream.
///
/// The vector is cut into `parts` chunks, numbered from 0. Chunks
/// `parts` … `parts + scratch − 1` are scratch, chunk `parts + j` as long as
/// chunk `j % parts`; they hold nothing at first.
///
/// Steps complete independently. A step waits only for
///  - earlier steps that conflict with it on a chunk (one of the two writes it),
///  - the earlier step with the same peer in the same direction.
/// The k-th send from a to b meets the k-th receive at b from a, and both hold
/// as many chunks; a send is complete once its receive is posted, a receive
/// once its send is. A long chunk streams through: where every step is cut
/// into the same slices, slice by slice, the same order holds, so what was
/// proved of the steps is true of the slices.
struct schedule {
  int parts = 1;
  int scratch = 0;
  /// All chunks are of one length, so that what stands in one may be sent or
  /// copied into any other. Otherwise a chunk's contents keep their number:
  /// c stays in c, or goes to scratch chunks that are as long.
  bool equal_chunks = false;
  /// The chunks are those of two vectors, half of `parts` each, of a block a
  /// rank: a chunk of block d in rank s's first vector is as long as the same one
  /// of block s in rank d's second, and what stands in one may go to the other.
  bool exchanges = false;
  std::vector<step> steps = {};

  constexpr void send(rank to, chunks what) {
    steps.push_back({.what = verb::send, .peer = to, .where = what});
  }
  constexpr void recv(rank from, chunks into) {
    steps.push_back({.what = verb::recv, .peer = from, .where = into});
  }
  /// Folds what `from` sends with `with` into `into`.
  constexpr void recv_reduce(rank from, chunks into, side incoming, chunks with) {
    steps.push_back({.what = verb::recv_reduce, .incoming = incoming, .peer = from, .where = into, .with = with});
  }
  constexpr void recv_reduce(rank from, chunks into, side incoming) { recv_reduce(from, into, incoming, into); }
  constexpr void copy(chunks from, chunks into) {
    steps.push_back({.what = verb::copy, .where = into, .with = from});
  }
  /// Folds `with`, which stands on the side `its`, with `into` into `into`.
  constexpr void fold(chunks with, side its, chunks into) {
    steps.push_back({.what = verb::fold, .incoming = its, .where = into, .with = with});
  }

  friend constexpr bool operator==(const schedule&, const schedule&) = default;
};

}  // namespace tutti
