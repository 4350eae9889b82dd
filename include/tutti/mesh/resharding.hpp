#pragma once
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/move.hpp>
#include <tutti/mesh/process_mesh.hpp>

namespace tutti {

/// One move of a tensor, with the memory that it needs besides: made once, done
/// often. Every rank packs what it sends block by block and unpacks what it gets.
template <class T>
class prepared_move {
 public:
  /// `before` is where the tensor lies. `on` must outlive it.
  prepared_move(process_mesh& on, const shape& whole, const placement& before, const move& m)
      : on_(&on), move_(m), mine_(block_of(whole, before, on.shape(), on.rank())),
        made_(block_of(whole, after(before, m), on.shape(), on.rank())) {
    if (is_local(m.what) || m.what == move_kind::all_reduce) return;
    std::size_t packed = 0, unpacked = 0;
    for (int at = 0; at < on.shape()[m.axis].size; ++at) {
      const rank other = on.shape().beside(on.rank(), m.axis, at);
      sent_.push_back(common(mine_, block_of(whole, after(before, m), on.shape(), other)));
      got_.push_back(common(made_, block_of(whole, before, on.shape(), other)));
      sent_counts_.push_back(sent_.back().elements());
      got_counts_.push_back(got_.back().elements());
      packed += sent_counts_.back();
      unpacked += got_counts_.back();
    }
    if (m.what != move_kind::all_gather) pack_ = buffer<T>(on.all(), packed);
    if (m.what != move_kind::reduce_scatter) unpack_ = buffer<T>(on.all(), unpacked);
  }

  const move& what() const { return move_; }
  /// Elements of the rank's part before and after.
  std::size_t elements_before() const { return mine_.elements(); }
  std::size_t elements_after() const { return made_.elements(); }

  /// Collective along the move's axis. The spans hold this rank's part before and
  /// after; they must not overlap.
  void operator()(span<const T> in, span<T> out) {
    communicator& along = on_->along(move_.axis);
    switch (move_.what) {
      case move_kind::all_gather:
        all_gather_v(along, in, span<T>(unpack_), counts(got_counts_));
        unpack_blocks(got_, std::as_const(unpack_).data(), made_, out.data());
        break;
      case move_kind::all_to_all:
        pack_blocks(sent_, mine_, in.data(), pack_.data());
        all_to_all_v(along, span<const T>(pack_), counts(sent_counts_), span<T>(unpack_), counts(got_counts_));
        unpack_blocks(got_, std::as_const(unpack_).data(), made_, out.data());
        break;
      case move_kind::all_reduce: all_reduce(along, in, out, plus{}); break;
      case move_kind::reduce_scatter:
        pack_blocks(sent_, mine_, in.data(), pack_.data());
        reduce_scatter_v(along, span<const T>(pack_), out, counts(sent_counts_), plus{});
        break;
      case move_kind::slice: copy_block(made_, mine_, in.data(), made_, out.data()); break;
      case move_kind::keep_on_first:
        if (along.rank() == 0) copy_block(mine_, mine_, in.data(), made_, out.data());
        else fill(out);
        break;
      case move_kind::pad:
        fill(out);
        copy_block(mine_, mine_, in.data(), made_, out.data());
        break;
    }
  }

  /// Bytes that this rank sends in it: what the links will count.
  std::size_t bytes_sent() const {
    if (is_local(move_.what)) return 0;
    return on_->along(move_.axis).plan_for(shape()).bytes_sent;
  }

 private:
  call_shape shape() const {
    switch (move_.what) {
      case move_kind::all_gather:
        return detail::uneven(detail::shape_of<T>(collective::all_gather, unpack_.size(), -1, {}), counts(got_counts_));
      case move_kind::all_to_all:
        return detail::uneven(detail::shape_of<T>(collective::all_to_all, pack_.size(), -1, {}), counts(sent_counts_), counts(got_counts_));
      case move_kind::reduce_scatter:
        return detail::uneven(detail::shape_of<T, plus>(collective::reduce_scatter, pack_.size(), -1, {}), counts(sent_counts_));
      default: return detail::shape_of<T, plus>(collective::all_reduce, mine_.elements(), -1, {});
    }
  }
  static span<const std::size_t> counts(const std::vector<std::size_t>& c) { return {c.data(), c.size()}; }
  static void fill(span<T> out) {
    for (T& value : out) value = T{};
  }

  process_mesh* on_;
  move move_;
  block mine_, made_;                            // before and after
  std::vector<block> sent_{}, got_{};            // by rank along the axis
  std::vector<std::size_t> sent_counts_{}, got_counts_{};
  buffer<T> pack_{}, unpack_{};
};

/// All moves from one placement to another, with their memory.
template <class T>
class resharding {
 public:
  resharding(process_mesh& on, const shape& whole, const placement& from, const placement& to)
      : resharding(on, whole, from, plan_moves(whole, from, to, on.shape(), {.element = sizeof(T)})) {}
  resharding(process_mesh& on, const shape& whole, const placement& from, const std::vector<move>& moves) {
    placement at = from;
    for (const move& m : moves) {
      moves_.emplace_back(on, whole, at, m);
      at = after(at, m);
    }
    for (std::size_t i = 0; i + 1 < moves_.size(); ++i) between_.push_back(buffer<T>(on.all(), moves_[i].elements_after()));
    elements_ = block_of(whole, from, on.shape(), on.rank()).elements();
  }

  /// Collective. `in` is this rank's part before, `out` after; they must not overlap.
  void operator()(span<const T> in, span<T> out) {
    if (moves_.empty() && elements_ > 0) std::memcpy(out.data(), in.data(), elements_ * sizeof(T));
    for (std::size_t i = 0; i < moves_.size(); ++i) {
      span<T> next = i + 1 < moves_.size() ? span<T>(between_[i]) : out;
      moves_[i](in, next);
      in = next;
    }
  }

  const std::vector<prepared_move<T>>& moves() const { return moves_; }

 private:
  std::vector<prepared_move<T>> moves_{};
  std::vector<buffer<T>> between_{};
  std::size_t elements_ = 0;
};

}  // namespace tutti
