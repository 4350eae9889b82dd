#pragma once
#include <cstddef>
#include <vector>

#include <tutti/comm/direct_program.hpp>
#include <tutti/device/copy.hpp>
#include <tutti/device/n_ary_fold.hpp>

namespace tutti {

/// Does passes whose places have been found, as much of each at a time as its
/// caller likes.
class pass_execution {
 public:
  void make_room(std::size_t places) {
    if (sources_.size() >= places) return;
    targets_.resize(places);
    sources_.resize(places);  // last, as it says that there is room
  }
  bool has_room_for(std::size_t places) const { return sources_.size() >= places; }

  /// To be set before each `run`: where its k-th source and its t-th target begin.
  const void*& source(std::size_t k) { return sources_[k]; }
  void*& target(std::size_t t) { return targets_[t]; }

  /// `bytes` bytes of the pass, of which the first `streamed` targets get theirs past
  /// the caches: then `end_streaming` has them seen.
  void run(const direct_pass& p, std::size_t bytes, std::size_t element, const fold_function& fold, std::size_t streamed) {
    if (p.sources > 1 && !fold.wider)
      return fold.all({.sources = sources_.data(), .source_count = p.sources, .lefts = p.lefts, .targets = targets_.data(),
                       .target_count = p.targets, .streamed = streamed},
                      bytes / element, fold.op);
    if (p.sources > 1) return reduce_in_another(p, bytes, element, fold, streamed);
    for (std::size_t t = 0; t < p.targets; ++t) put(to(t), from(0), bytes, t < streamed);
  }

 private:
  // Of an accumulator, which stays in the first cache.
  static constexpr std::size_t block_bytes = 4096;

  const std::byte* from(std::size_t k) const { return static_cast<const std::byte*>(sources_[k]); }
  std::byte* to(std::size_t t) const { return static_cast<std::byte*>(targets_[t]); }

  // What is folded in another type stays in it until all are.
  void reduce_in_another(const direct_pass& p, std::size_t bytes, std::size_t element, const fold_function& fold, std::size_t streamed) const {
    alignas(64) std::byte partial[block_bytes];
    const std::size_t block = block_bytes / fold.wider->element * element;
    for (std::size_t i = 0; i < bytes; i += block) {
      const std::size_t n = block < bytes - i ? block : bytes - i;
      const std::byte* so_far = from(0) + i;
      for (std::uint32_t k = 1; k < p.sources; ++k) {
        const std::byte* next = from(k) + i;
        const bool more = k + 1 < p.sources, wide = k > 1;
        std::byte* out = more ? partial : to(0) + i;
        if (k <= p.lefts) fold(out, next, so_far, n / element, element, {more, false, wide});
        else fold(out, so_far, next, n / element, element, {more, wide, false});
        so_far = out;
      }
      for (std::size_t t = 1; t < p.targets; ++t) put(to(t) + i, so_far, n, t < streamed);
    }
  }

  static void put(std::byte* to, const std::byte* from, std::size_t bytes, bool streams) {
    if (to == from) return;
    if (streams) stream_copy(to, from, bytes);
    else copy_short(to, from, bytes);
  }

  std::vector<const void*> sources_;  // of one pass
  std::vector<void*> targets_;
};

}  // namespace tutti
