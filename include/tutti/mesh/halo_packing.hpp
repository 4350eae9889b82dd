#pragma once
#include <cstddef>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// What one rank of a group packs for those who read what it owns, and unpacks of what
/// it reads from those who own it; and the same for gradients, the other way. Owners and
/// readers may be cut anywhere. Packed values lie by rank, as many as the counts say:
/// rank r's `given_counts()[s]` are rank s's `taken_counts()[r]`.
class halo_packing {
 public:
  /// No block is of a tensor without dimensions.
  explicit halo_packing(const halo_parts& parts)
      : owned_(parts.owned[parts.here]), read_(parts.read[parts.here]), given_(parts.given()), taken_(parts.taken()),
        given_counts_(elements_of(given_)), taken_counts_(elements_of(taken_)) {}

  const block& owned() const { return owned_; }
  const block& read() const { return read_; }
  /// The parts that are packed, of what is owned and of what is read, by rank.
  const std::vector<block>& given() const { return given_; }
  const std::vector<block>& taken() const { return taken_; }
  span<const std::size_t> given_counts() const { return {given_counts_.data(), given_counts_.size()}; }
  span<const std::size_t> taken_counts() const { return {taken_counts_.data(), taken_counts_.size()}; }

  /// What others read of what is owned here.
  template <class T>
  void pack(span<const T> own, T* given) const {
    pack_blocks(given_, owned_, own.data(), given);
  }
  /// What this rank owns and reads itself.
  template <class T>
  void keep(span<const T> own, span<T> all) const {
    copy_block(common(owned_, read_), owned_, own.data(), read_, all.data());
  }
  /// What is read here of what others own.
  template <class T>
  void unpack(const T* taken, span<T> all) const {
    unpack_blocks(taken_, taken, read_, all.data());
  }

  template <class T>
  void pack_back(span<const T> all, T* taken) const {
    pack_blocks(taken_, read_, all.data(), taken);
  }
  /// The gradient of what is owned, as far as it comes from this rank.
  template <class T>
  void keep_back(span<const T> all, span<T> own) const {
    for (T& value : own) value = T{};
    copy_block(common(owned_, read_), read_, all.data(), owned_, own.data());
  }
  /// Adds what comes from the others.
  template <class T>
  void unpack_back(const T* given, span<T> own) const {
    for (const block& part : given_) {
      for_each_run(part, part, owned_, [&](std::size_t in, std::size_t out, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) own[out + i] = static_cast<T>(own[out + i] + given[in + i]);
      });
      given += part.elements();
    }
  }

 private:
  block owned_, read_;
  std::vector<block> given_, taken_;  // by rank of the group
  std::vector<std::size_t> given_counts_, taken_counts_;
};

}  // namespace tutti
