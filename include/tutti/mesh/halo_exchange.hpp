#pragma once
#include <cstddef>
#include <exception>
#include <numeric>
#include <utility>
#include <vector>

#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
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
      : group_(&group), owned_(parts.owned[parts.here]), read_(parts.read[parts.here]), give_(parts.given()), take_(parts.taken()),
        give_counts_(elements_of(give_)), take_counts_(elements_of(take_)),
        give_memory_(group, std::accumulate(give_counts_.begin(), give_counts_.end(), std::size_t{0})),
        take_memory_(group, std::accumulate(take_counts_.begin(), take_counts_.end(), std::size_t{0})) {}

  halo_exchange(halo_exchange&&) = default;
  ~halo_exchange() {
    try {
      under_way_.wait();  // it writes to this object's memory
    } catch (const std::exception&) {
      // Then it writes no more either; a verdict is for whoever asks next.
    }
  }

  const block& owned() const { return owned_; }
  const block& read() const { return read_; }

  /// Collective over the group: from what this rank owns to what it reads, where its own
  /// is at once, and its halo once `finish` has returned.
  void start(span<const T> own, span<T> all) {
    under_way_.wait();
    pack_blocks(give_, owned_, own.data(), give_memory_.data());
    under_way_ = all_to_all_v_async(*group_, span<const T>(give_memory_), counts(give_counts_), span<T>(take_memory_), counts(take_counts_));
    copy_block(common(owned_, read_), owned_, own.data(), read_, all.data());
  }
  void finish(span<T> all) {
    under_way_.wait();
    unpack_blocks(take_, std::as_const(take_memory_).data(), read_, all.data());
  }

  /// Collective over the group: the gradient of what this rank owns, summed over
  /// all who have read it, from the gradients of what each has read; there once
  /// `finish_back` has returned.
  void start_back(span<const T> all, span<T> own) {
    under_way_.wait();
    pack_blocks(take_, read_, all.data(), take_memory_.data());
    under_way_ = all_to_all_v_async(*group_, span<const T>(take_memory_), counts(take_counts_), span<T>(give_memory_), counts(give_counts_));
    for (T& value : own) value = T{};
    copy_block(common(owned_, read_), read_, all.data(), owned_, own.data());
  }
  void finish_back(span<T> own) {
    under_way_.wait();
    const T* from = give_memory_.data();
    for (const block& part : give_) {
      for_each_run(part, part, owned_, [&](std::size_t in, std::size_t out, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) own[out + i] = static_cast<T>(own[out + i] + from[in + i]);
      });
      from += part.elements();
    }
  }

 private:
  static span<const std::size_t> counts(const std::vector<std::size_t>& c) { return {c.data(), c.size()}; }
  communicator* group_;
  block owned_, read_;
  std::vector<block> give_, take_;  // by rank of the group
  std::vector<std::size_t> give_counts_, take_counts_;
  buffer<T> give_memory_, take_memory_;
  request under_way_{};
};

}  // namespace tutti
