#pragma once
#include <cstdint>

#include <tutti/schedule/team.hpp>

namespace tutti {

/// What a team agrees to do together.
enum class collective : std::uint8_t {
  all_reduce,
  reduce_scatter,
  all_gather,
  broadcast,
  reduce,
  barrier,
  gather,
  scatter,
  all_to_all,
  scan,
  exclusive_scan,
};

inline constexpr collective every_collective[] = {collective::all_reduce, collective::reduce_scatter,
                                                  collective::all_gather, collective::broadcast,
                                                  collective::reduce,     collective::barrier,
                                                  collective::gather,     collective::scatter,
                                                  collective::all_to_all, collective::scan,
                                                  collective::exclusive_scan};

constexpr const char* name_of(collective what) {
  switch (what) {
    case collective::all_reduce: return "all_reduce";
    case collective::reduce_scatter: return "reduce_scatter";
    case collective::all_gather: return "all_gather";
    case collective::broadcast: return "broadcast";
    case collective::reduce: return "reduce";
    case collective::barrier: return "barrier";
    case collective::gather: return "gather";
    case collective::scatter: return "scatter";
    case collective::all_to_all: return "all_to_all";
    case collective::scan: return "scan";
    case collective::exclusive_scan: return "exclusive_scan";
  }
  return "unknown";
}

/// Whether operands of several ranks are combined.
constexpr bool reduces(collective what) {
  return what == collective::all_reduce || what == collective::reduce_scatter || what == collective::reduce ||
         what == collective::scan || what == collective::exclusive_scan;
}

/// Whether one rank differs from the others.
constexpr bool rooted(collective what) {
  return what == collective::broadcast || what == collective::reduce || what == collective::gather ||
         what == collective::scatter;
}

/// Whether the vector falls into a block for each rank.
constexpr bool blocked(collective what) {
  return what == collective::reduce_scatter || what == collective::all_gather || what == collective::gather ||
         what == collective::scatter || what == collective::all_to_all;
}

/// Of how many vectors the chunks are numbered: an all_to_all has those of its
/// input, then those of its output. The others' output takes the input's place.
constexpr int vectors_of(collective what) { return what == collective::all_to_all ? 2 : 1; }

/// Into how many blocks of equal length the chunks of a schedule fall, as many
/// chunks each: `parts` is a multiple.
constexpr int blocks_of(collective what, const team& all) { return (blocked(what) ? all.size : 1) * vectors_of(what); }

/// What one rank brought along in one of its chunks.
struct origin {
  rank from{};
  chunk part{};
  friend constexpr bool operator==(origin, origin) = default;
};

/// Of ranks first … last − 1, folded in this order.
struct operands {
  int first = 0, last = 0;
  friend constexpr bool operator==(operands, operands) = default;
};

/// Whose block chunk c lies in, of a vector of one block a rank.
constexpr rank owner_of(chunk c, const team& all, int parts) { return {c.value / (parts / all.size)}; }

/// What every rank may count on before a collective, and must have brought
/// about after it, in chunks of the vector (scratch is nobody's business).
///
/// |                | before | after |
/// |----------------|--------|-------|
/// | all_reduce     | all    | all: everyone's operands, folded in rank order |
/// | reduce_scatter | all    | own block: the same |
/// | all_gather     | own block | all: each block its owner's |
/// | broadcast      | root: all | all: the root's |
/// | reduce         | all    | root, all: everyone's operands, folded in rank order |
/// | barrier        | a token | nothing, but everyone was heard from |
/// | gather         | own block | root, all: each block its owner's |
/// | scatter        | root: all | own block: the root's |
/// | all_to_all     | the first half | the second half: block s of it is rank s's block for this rank |
/// | scan           | all    | all: operands of the ranks up to this one, folded in rank order |
/// | exclusive_scan | all    | all but rank 0: operands of the ranks before this one, the same |
///
/// A chunk that need not be held after may have been overwritten. A barrier
/// moves a token of one element and folds tokens with any operation: what they
/// hold does not matter, that they came does.
struct contract {
  collective what = collective::all_reduce;
  team all{};
  rank root{};
  int parts = 1;

  constexpr bool holds_before(rank r, chunk c) const {
    if (what == collective::broadcast || what == collective::scatter) return r == root;
    if (what == collective::all_gather || what == collective::gather) return r == owner_of(c, all, parts);
    if (what == collective::all_to_all) return c.value < parts / 2;
    return true;
  }
  constexpr bool holds_after(rank r, chunk c) const {
    if (what == collective::reduce || what == collective::gather) return r == root;
    if (what == collective::reduce_scatter || what == collective::scatter) return r == owner_of(c, all, parts);
    if (what == collective::all_to_all) return c.value >= parts / 2;
    if (what == collective::exclusive_scan) return r.value > 0;
    return what != collective::barrier;
  }
  /// What chunk c of rank r must hold afterwards, where nothing is reduced.
  constexpr origin source_of(rank r, chunk c) const {
    if (what == collective::all_to_all) {
      const int in_block = parts / blocks_of(what, all), received = c.value - parts / 2;
      return {.from = {received / in_block}, .part = {r.value * in_block + received % in_block}};
    }
    const bool owners = what == collective::all_gather || what == collective::gather;
    return {.from = owners ? owner_of(c, all, parts) : root, .part = c};
  }
  /// Whose operands rank r's chunks must hold afterwards, where they are reduced.
  constexpr operands folded_at(rank r) const {
    if (what == collective::scan) return {.first = 0, .last = r.value + 1};
    if (what == collective::exclusive_scan) return {.first = 0, .last = r.value};
    return {.first = 0, .last = all.size};
  }
};

}  // namespace tutti
