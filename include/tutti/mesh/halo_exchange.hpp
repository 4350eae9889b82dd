#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>

namespace tutti {

/// Brings every rank of a group what it reads of a tensor from whoever owns it,
/// and takes the gradients of that back: made once, done often. Each rank owns a
/// block and reads another, which may reach over any number of owners.
template <class T>
class halo_exchange {
 public:
  /// `owned` and `read` say, for every rank of `group`, what it owns and what it
  /// reads; blocks that are owned do not overlap, and cover what is read; none is of a
  /// tensor without dimensions. `group`
  /// must outlive it.
  halo_exchange(communicator& group, const std::vector<block>& owned, const std::vector<block>& read)
      : group_(&group), owned_(owned[me()]), read_(read[me()]) {
    std::size_t given = 0, taken = 0;
    for (std::size_t r = 0; r < owned.size(); ++r) {
      give_.push_back(common(owned_, read[r]));
      take_.push_back(common(owned[r], read_));
      // What stays with its owner does not travel.
      if (r == me()) give_.back()[0].count = take_.back()[0].count = 0;
      give_counts_.push_back(give_.back().elements());
      take_counts_.push_back(take_.back().elements());
      given += give_counts_.back();
      taken += take_counts_.back();
    }
    give_memory_ = buffer<T>(group, given);
    take_memory_ = buffer<T>(group, taken);
  }

  const block& owned() const { return owned_; }
  const block& read() const { return read_; }

  /// Collective over the group: from what this rank owns to what it reads.
  void operator()(span<const T> own, span<T> all) {
    pack_blocks(give_, owned_, own.data(), give_memory_.data());
    all_to_all_v(*group_, span<const T>(give_memory_), counts(give_counts_), span<T>(take_memory_), counts(take_counts_));
    unpack_blocks(take_, std::as_const(take_memory_).data(), read_, all.data());
    copy_block(common(owned_, read_), owned_, own.data(), read_, all.data());
  }

  /// Collective over the group: the gradient of what this rank owns, summed over
  /// all who have read it, from the gradients of what each has read.
  void give_back(span<const T> all, span<T> own) {
    pack_blocks(take_, read_, all.data(), take_memory_.data());
    all_to_all_v(*group_, span<const T>(take_memory_), counts(take_counts_), span<T>(give_memory_), counts(give_counts_));
    for (T& value : own) value = T{};
    copy_block(common(owned_, read_), read_, all.data(), owned_, own.data());
    const T* from = give_memory_.data();
    for (const block& part : give_) {
      for_each_run(part, part, owned_, [&](std::size_t in, std::size_t out, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) own[out + i] = static_cast<T>(own[out + i] + from[in + i]);
      });
      from += part.elements();
    }
  }

  /// Bytes that this rank sends to bring what is read, and to give gradients back.
  std::size_t bytes_sent() const { return give_memory_.size() * sizeof(T); }
  std::size_t bytes_given_back() const { return take_memory_.size() * sizeof(T); }

 private:
  std::size_t me() const { return static_cast<std::size_t>(group_->rank()); }
  static span<const std::size_t> counts(const std::vector<std::size_t>& c) { return {c.data(), c.size()}; }
  communicator* group_;
  block owned_, read_;
  std::vector<block> give_{}, take_{};  // by rank of the group
  std::vector<std::size_t> give_counts_{}, take_counts_{};
  buffer<T> give_memory_{}, take_memory_{};
};

}  // namespace tutti
