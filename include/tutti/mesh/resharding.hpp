#pragma once
#include <cstddef>
#include <cstring>
#include <numeric>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/move.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

/// One move of a tensor, with the memory that it needs besides: made once, done
/// often. Every rank packs what it sends block by block and unpacks what it gets, unless it lies so already.
template <class T>
class prepared_move {
 public:
  /// `before` is where the tensor lies. `on` must outlive it.
  prepared_move(process_mesh& on, const shape& whole, const placement& before, const move& m)
      : on_(&on), move_(m), parts_(parts_of(m, whole, before, on.shape(), on.rank())), sent_counts_(elements_of(parts_.sent)),
        got_counts_(elements_of(parts_.got)) {
    auto together = [&](const std::vector<std::size_t>& c) { return buffer<T>(on.all(), std::accumulate(c.begin(), c.end(), std::size_t{0})); };
    if (parts_.packs) pack_ = together(sent_counts_);
    if (parts_.unpacks) unpack_ = together(got_counts_);
  }

  /// Collective along the move's axis. The spans hold this rank's part before and
  /// after; they must not overlap.
  void operator()(span<const T> in, span<T> out) {
    communicator& along = on_->along(move_.axis);
    const auto& [before, after, sent, got, packs, unpacks] = parts_;
    if (packs) pack_blocks(sent, before, in.data(), pack_.data());
    const span<const T> packed = packs ? span<const T>(pack_) : in;
    const span<T> there = unpacks ? span<T>(unpack_) : out;
    switch (move_.what) {
      case move_kind::all_gather:
        all_gather_v(along, in, there, counts(got_counts_));
        break;
      case move_kind::all_to_all:
        all_to_all_v(along, packed, counts(sent_counts_), there, counts(got_counts_));
        break;
      case move_kind::all_reduce: all_reduce(along, in, out, plus{}); break;
      case move_kind::reduce_scatter:
        reduce_scatter_v(along, packed, out, counts(sent_counts_), plus{});
        break;
      case move_kind::slice: copy_block(after, before, in.data(), after, out.data()); break;
      case move_kind::keep_on_first:
        if (along.rank() == 0) copy_block(before, before, in.data(), after, out.data());
        else fill(out);
        break;
      case move_kind::pad:
        fill(out);
        copy_block(before, before, in.data(), after, out.data());
        break;
    }
    if (unpacks) unpack_blocks(got, std::as_const(unpack_).data(), after, out.data());
  }

  /// Of its memory.
  std::size_t bytes() const { return (pack_.size() + unpack_.size()) * sizeof(T); }

 private:
  static span<const std::size_t> counts(const std::vector<std::size_t>& c) { return {c.data(), c.size()}; }
  static void fill(span<T> out) {
    for (T& value : out) value = T{};
  }

  process_mesh* on_;
  move move_;
  move_parts parts_;
  std::vector<std::size_t> sent_counts_, got_counts_;
  buffer<T> pack_{}, unpack_{};
};

/// All moves from one placement to another, with their memory: made once, done often.
template <class T>
class resharding {
 public:
  /// `moves`, from where the tensor lies. `on` must outlive it.
  resharding(process_mesh& on, const shape& whole, const placement& from, const std::vector<move>& moves)
      : elements_(block_of(whole, from, on.shape(), on.rank()).elements()) {
    placement at = from;
    for (const move& m : moves) {
      if (!moves_.empty()) between_.push_back(buffer<T>(on.all(), block_of(whole, at, on.shape(), on.rank()).elements()));
      moves_.emplace_back(on, whole, at, m);
      at = after(at, m);
    }
  }
  /// The moves of least cost.
  resharding(process_mesh& on, const shape& whole, const placement& from, const placement& to)
      : resharding(on, whole, from, plan_moves(whole, from, to, on.shape(), {.element = sizeof(T)})) {}

  /// Collective. `in` is this rank's part before, `out` after; they must not overlap.
  void operator()(span<const T> in, span<T> out) {
    if (moves_.empty() && elements_ > 0) std::memcpy(out.data(), in.data(), elements_ * sizeof(T));
    for (std::size_t i = 0; i < moves_.size(); ++i) {
      span<T> next = i + 1 < moves_.size() ? span<T>(between_[i]) : out;
      moves_[i](in, next);
      in = next;
    }
  }

  /// Of the memory that it holds: what is packed, and what lies between moves.
  std::size_t bytes() const {
    std::size_t all = 0;
    for (const prepared_move<T>& m : moves_) all += m.bytes();
    for (const buffer<T>& b : between_) all += b.size() * sizeof(T);
    return all;
  }

 private:
  std::vector<prepared_move<T>> moves_{};
  std::vector<buffer<T>> between_{};
  std::size_t elements_;
};

}  // namespace tutti
