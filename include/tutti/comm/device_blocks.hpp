#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <tutti/comm/device_agreement.hpp>
#include <tutti/comm/options.hpp>
#include <tutti/comm/uneven.hpp>

namespace tutti::detail {

/// One call of a form with counts, as one rank makes it: blocks that it sends, and those that
/// it gets, of which it may have none. One count where a form has one block on that side.
template <class T, class Op>
struct uneven_call {
  collective what{};
  const char* name = "";
  int root = -1;
  const T* input = nullptr;
  T* output = nullptr;
  counts_view sent{}, got{};
  Op op{};
  call_options options{};
};

/// How much every rank of a communicator sends every other one.
class block_lengths {
 public:
  block_lengths() = default;
  explicit block_lengths(int ranks) : ranks_(ranks), all_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)) {}

  std::size_t& of(int sender, int receiver) { return all_[index(sender, receiver)]; }
  std::size_t of(int sender, int receiver) const { return all_[index(sender, receiver)]; }
  int ranks() const { return ranks_; }
  std::size_t longest() const { return all_.empty() ? 0 : *std::max_element(all_.begin(), all_.end()); }

 private:
  std::size_t index(int sender, int receiver) const { return static_cast<std::size_t>(sender) * static_cast<std::size_t>(ranks_) + static_cast<std::size_t>(receiver); }

  int ranks_ = 0;
  std::vector<std::size_t> all_{};
};

/// Blocks that ranks send each other, in bytes; all know all lengths. What is sent and what is
/// got do not overlap, but for this rank's own block, which may be where it is to be.
struct block_moves {
  block_lengths bytes{};
  bool one_for_all = false;  ///< a rank sends all others the same block
  const std::byte* from = nullptr;
  std::byte* into = nullptr;
  std::vector<std::size_t> from_at{}, into_at{};  ///< by receiver, and by sender

  const std::byte* source(int receiver) const { return from + from_at[static_cast<std::size_t>(receiver)]; }
  std::byte* target(int sender) const { return into + into_at[static_cast<std::size_t>(sender)]; }
  /// Of a block cut into pieces of `most`, the bytes of the one that begins at `begin`.
  std::size_t piece(int sender, int receiver, std::size_t begin, std::size_t most) const {
    const std::size_t whole = bytes.of(sender, receiver);
    return whole > begin ? std::min(most, whole - begin) : 0;
  }
};

/// This rank's own block.
template <class Device>
void copy_own(const Device& device, const block_moves& moves, int me, const typename Device::order& in_order) {
  const std::size_t bytes = moves.bytes.of(me, me);
  if (bytes > 0 && moves.source(me) != moves.target(me)) device.copy(moves.target(me), moves.source(me), bytes, in_order);
}

/// What ranks must have in common to call a form with counts, and how each names them.
class uneven_agreement {
 public:
  /// Collective, one small all-gather: 16 bytes for each pair of ranks. Throws, on all ranks
  /// in the same words, what the first rank that refuses says, and `mismatch` where ranks call
  /// different things or name different counts.
  template <class T, class Op>
  static block_lengths of(communicator& host, const uneven_call<T, Op>& call, const std::optional<device_refusal>& mine) {
    const auto ranks = static_cast<std::size_t>(host.size());
    std::vector<std::uint64_t> own(head + 2 * ranks), all(own.size() * ranks);
    own[what] = static_cast<std::uint64_t>(call.what), own[refuses] = mine.has_value();
    own[type] = mix(sizeof(T), device_signature::hash_of(type_name<T>));
    // By an algorithm that one rank names, or not, it may go another way.
    own[operation] = mix(mix(device_signature::hash_of(operation_name<Op>), static_cast<std::uint64_t>(call.root + 1)), static_cast<std::uint64_t>(call.options.algorithm));
    if (!mine) {
      write_row(host, call.what, call.root, call.sent, own.data() + head);
      write_row(host, call.what, call.root, call.got, own.data() + head + ranks);
    }
    all_gather(host, own, all);
    return uneven_agreement(host, call.name, all).lengths(mine);
  }

 private:
  enum : std::size_t { what, refuses, type, operation, head };

  uneven_agreement(communicator& host, const char* name, const std::vector<std::uint64_t>& all) : host_(host), name_(name), all_(all) {}

  // What one count, or one for each rank, says of all ranks.
  static void write_row(const communicator& host, collective form, int root, counts_view counts, std::uint64_t* row) {
    if (counts.size() != 1 || host.size() == 1) std::copy(counts.begin(), counts.end(), row);
    else if (rooted(form)) row[root] = counts[0];
    else std::fill_n(row, host.size(), counts[0]);
  }

  const std::uint64_t* at(int r) const { return all_.data() + static_cast<std::size_t>(r) * (head + 2 * static_cast<std::size_t>(host_.size())); }
  std::size_t sent(int from, int to) const { return at(from)[head + static_cast<std::size_t>(to)]; }
  std::size_t got(int by, int from) const { return at(by)[head + static_cast<std::size_t>(host_.size()) + static_cast<std::size_t>(from)]; }

  block_lengths lengths(const std::optional<device_refusal>& mine) const {
    if (const auto why = first_refusal(host_, mine, [&](int r) { return at(r)[refuses] != 0; })) throw error(why->code, why->why, why->rank);
    const auto form = static_cast<collective>(at(0)[what]);
    for (int r = 1; r < host_.size(); ++r) {
      const std::uint64_t *first = at(0), *other = at(r);
      if (first[what] != other[what])
        different(r, format("%s and %s", name_of(static_cast<collective>(first[what])), name_of(static_cast<collective>(other[what]))).c_str());
      if (first[type] != other[type] || first[operation] != other[operation]) different(r, "their roots, types, operations or algorithms differ");
      // Where all ranks name all counts.
      const bool gathers = form == collective::all_gather;
      if (gathers || form == collective::reduce_scatter)
        for (int s = 0; s < host_.size(); ++s)
          if (gathers ? got(0, s) != got(r, s) : sent(0, s) != sent(r, s)) different(r, "their counts differ");
    }
    block_lengths all(host_.size());
    for (int r = 0; r < host_.size(); ++r)
      for (int s = 0; s < host_.size(); ++s) {
        // The root names all, and else whoever gets them.
        const bool scatters = form == collective::scatter;
        const std::size_t here = scatters ? sent(r, s) : got(r, s), there = scatters ? got(s, r) : sent(s, r);
        if (here != there)
          throw error(errc::mismatch, format("rank %d: %s: %zu elements are for rank %d or come from it by the count here, and %zu by the one there",
                                             host_.world_rank(r), name_, here, host_.world_rank(s), there), host_.world_rank(r));
        (scatters ? all.of(r, s) : all.of(s, r)) = here;
      }
    return all;
  }

  [[noreturn]] void different(int r, const char* how) const {
    throw error(errc::mismatch, format("ranks %d and %d call different things on device memory: %s", host_.world_rank(0), host_.world_rank(r), how), host_.world_rank(r));
  }

  communicator& host_;
  const char* name_;
  const std::vector<std::uint64_t>& all_;
};

}  // namespace tutti::detail
