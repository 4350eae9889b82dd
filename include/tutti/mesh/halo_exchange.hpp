#pragma once
#include <cstddef>
#include <exception>
#include <numeric>
#include <utility>

#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/halo_packing.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// Brings every rank of a group what it reads of a tensor from whoever owns it,
/// and takes the gradients of that back: made once, done often, either begun and
/// finished before the next begins. Where that is not to be, since something between the
/// two has thrown, the next one, or the end of the object, waits for it first. Each rank owns a block and reads another, which may
/// reach over any number of owners.
template <class T>
class halo_exchange {
 public:
  /// `parts` are by rank of `group`; no block is of a tensor without dimensions. `group`
  /// must outlive it.
  halo_exchange(communicator& group, const halo_parts& parts)
      : group_(&group), packing_(parts), give_memory_(group, total(packing_.given_counts())), take_memory_(group, total(packing_.taken_counts())) {}

  halo_exchange(halo_exchange&&) = default;
  ~halo_exchange() {
    try {
      under_way_.wait();  // it writes to this object's memory
    } catch (const std::exception&) {
      // Then it writes no more either; a verdict is for whoever asks next.
    }
  }

  const block& owned() const { return packing_.owned(); }
  const block& read() const { return packing_.read(); }

  /// Collective over the group: from what this rank owns to what it reads, where its own
  /// is at once, and its halo once `finish` has returned.
  void start(span<const T> own, span<T> all) {
    under_way_.wait();
    packing_.pack(own, give_memory_.data());
    under_way_ = all_to_all_v_async(*group_, span<const T>(give_memory_), packing_.given_counts(), span<T>(take_memory_), packing_.taken_counts());
    packing_.keep(own, all);
  }
  void finish(span<T> all) {
    under_way_.wait();
    packing_.unpack(std::as_const(take_memory_).data(), all);
  }

  /// Collective over the group: the gradient of what this rank owns, summed over
  /// all who have read it, from the gradients of what each has read; there once
  /// `finish_back` has returned.
  void start_back(span<const T> all, span<T> own) {
    under_way_.wait();
    packing_.pack_back(all, take_memory_.data());
    under_way_ = all_to_all_v_async(*group_, span<const T>(take_memory_), packing_.taken_counts(), span<T>(give_memory_), packing_.given_counts());
    packing_.keep_back(all, own);
  }
  void finish_back(span<T> own) {
    under_way_.wait();
    packing_.unpack_back(std::as_const(give_memory_).data(), own);
  }

 private:
  static std::size_t total(span<const std::size_t> counts) { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); }
  communicator* group_;
  halo_packing packing_;
  buffer<T> give_memory_, take_memory_;
  request under_way_{};
};

}  // namespace tutti
