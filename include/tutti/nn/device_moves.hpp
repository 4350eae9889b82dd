#pragma once
#include <cstddef>
#include <numeric>
#include <utility>
#include <vector>

#include <tutti/comm/device_uneven.hpp>
#include <tutti/kernel/channels_last.hpp>
#include <tutti/kernel/recorded_work.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/halo_packing.hpp>
#include <tutti/mesh/move.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/mesh/step_exchanges.hpp>

namespace tutti {

// What a layout moves between the operations of a network, of tensors in the memory of
// devices: packed, sent and unpacked there, in the order of the backend's stream. Tensors
// are row-major while they move. That ranks meet is the host's part in it, where the rest is
// recorded.

namespace detail {

/// A part of a tensor as it lies in two blocks that hold it, both row-major.
inline channels_last::region region_of(const block& part, const block& from, const block& into) {
  constexpr std::size_t most = channels_last::region::dimensions;
  if (part.rank() > most) throw error(errc::not_supported, format("on devices tensors of %zu dimensions are moved at most", most));
  channels_last::region r;
  for (std::size_t d = 0; d < most; ++d) r.size[d] = 1;
  std::size_t from_step = 1, into_step = 1;
  for (std::size_t d = part.rank(); d-- > 0;) {
    r.from_first += (part[d].first - from[d].first) * from_step, r.into_first += (part[d].first - into[d].first) * into_step;
    r.size[d] = part[d].count, r.from_step[d] = from_step, r.into_step[d] = into_step;
    from_step *= from[d].count, into_step *= into[d].count;
  }
  return r;
}

}  // namespace detail

/// Moves of tensors of one backend: what they have in common.
template <class Backend>
class device_mover {
 public:
  using element = typename Backend::element;
  using space = typename Backend::space;
  using context = typename Backend::context;
  using groups = typename Backend::groups;
  using values = span<element, space>;
  using seen = span<const element, space>;

  /// Both must outlive it.
  device_mover(context& c, groups& all) : context_(&c), groups_(&all) {}

  auto order() const { return context_->order(); }
  /// `call(ranks, order)`, a collective over the devices of a communicator's ranks.
  template <class Call>
  void meet(communicator& along, Call call) const {
    done_on_host(*context_, [c = context_, all = groups_, &along, call] { call(all->over(*c, along, of_a_move), c->order()); });
  }

  /// `part` from the memory of one block to that of another.
  void copy(const block& part, const block& from_block, seen from, const block& into_block, values into) const {
    if (part.elements() > 0) channels_last::copy_region<element, space>(detail::region_of(part, from_block, into_block), from, into, order());
  }
  void add(const block& part, const block& from_block, seen from, const block& into_block, values into) const {
    if (part.elements() > 0) channels_last::add_region<element, space>(detail::region_of(part, from_block, into_block), from, into, order());
  }
  void clear(values all) const { channels_last::fill<element, space>(all, element{}, order()); }

  /// Parts of a block, one after the other.
  void pack(const std::vector<block>& parts, const block& of, seen from, values packed) const {
    std::size_t at = 0;
    for (const block& part : parts) {
      copy(part, of, from, part, packed.subspan(at, part.elements()));
      at += part.elements();
    }
  }
  void unpack(const std::vector<block>& parts, seen packed, const block& of, values into) const {
    std::size_t at = 0;
    for (const block& part : parts) {
      copy(part, part, packed.subspan(at, part.elements()), of, into);
      at += part.elements();
    }
  }

 private:
  static constexpr std::size_t of_a_move = std::size_t{16} << 20;  // bytes
  context* context_;
  groups* groups_;
};

/// `resharding` on devices.
template <class Backend>
class device_resharding {
  using mover = device_mover<Backend>;
  using element = typename mover::element;
  using space = typename mover::space;
  using counts = std::vector<std::size_t>;

 public:
  /// `moves`, from where the tensor lies. `on` must outlive it. Once it has been recorded it
  /// stays where it is, as what it is given does.
  device_resharding(const mover& by, process_mesh& on, const shape& whole, const placement& from, const std::vector<move>& moves) : by_(by), on_(&on) {
    placement at = from;
    for (const move& m : moves) {
      if (!moves_.empty()) between_.emplace_back(block_of(whole, at, on.shape(), on.rank()).elements());
      moves_.emplace_back(m, parts_of(m, whole, at, on.shape(), on.rank()));
      at = after(at, m);
    }
  }

  /// Collective. `in` is this rank's part before, `out` after; they must not overlap.
  void operator()(span<const element, space> in, span<element, space> out) {
    for (std::size_t i = 0; i < moves_.size(); ++i) {
      const span<element, space> next = i + 1 < moves_.size() ? span<element, space>(between_[i]) : out;
      run(moves_[i], in, next);
      in = next;
    }
  }

 private:
  struct prepared {
    prepared(const move& m, move_parts&& p)
        : what(m), parts(std::move(p)), sent(elements_of(parts.sent)), got(elements_of(parts.got)), pack(parts.packs ? total(sent) : 0), unpack(parts.unpacks ? total(got) : 0) {}
    static std::size_t total(const counts& c) { return std::accumulate(c.begin(), c.end(), std::size_t{0}); }
    move what;
    move_parts parts;
    counts sent, got;
    buffer<element, space> pack, unpack;
  };

  void run(prepared& m, span<const element, space> in, span<element, space> out) {
    communicator& along = on_->along(m.what.axis);
    const move_parts& parts = m.parts;
    if (parts.packs) by_.pack(parts.sent, parts.before, in, m.pack);
    const span<const element, space> packed = parts.packs ? span<const element, space>(m.pack) : in;
    span<element, space> there = parts.unpacks ? span<element, space>(m.unpack) : out;
    switch (m.what.what) {
      case move_kind::all_gather: by_.meet(along, [in, there, &m](auto& ranks, auto order) { all_gather_v(ranks, in, there, m.got, order); }); break;
      case move_kind::all_to_all: by_.meet(along, [packed, there, &m](auto& ranks, auto order) { all_to_all_v(ranks, packed, m.sent, there, m.got, order); }); break;
      case move_kind::all_reduce: by_.meet(along, [in, out](auto& ranks, auto order) { all_reduce(ranks, in, out, plus{}, order); }); break;
      case move_kind::reduce_scatter: by_.meet(along, [packed, out, &m](auto& ranks, auto order) { reduce_scatter_v(ranks, packed, out, m.sent, plus{}, order); }); break;
      case move_kind::slice: by_.copy(parts.after, parts.before, in, parts.after, out); break;
      case move_kind::keep_on_first:
        if (along.rank() == 0) by_.copy(parts.before, parts.before, in, parts.after, out);
        else by_.clear(out);
        break;
      case move_kind::pad:
        by_.clear(out);
        by_.copy(parts.before, parts.before, in, parts.after, out);
        break;
    }
    if (parts.unpacks) by_.unpack(parts.got, there, parts.after, out);
  }

  mover by_;
  process_mesh* on_;
  std::vector<prepared> moves_{};
  std::vector<buffer<element, space>> between_{};
};

/// `halo_exchange` on devices.
template <class Backend>
class device_halo {
  using mover = device_mover<Backend>;
  using element = typename mover::element;
  using space = typename mover::space;

 public:
  /// `parts` are by rank of `group`, which must outlive it.
  device_halo(const mover& by, communicator& group, const halo_parts& parts)
      : by_(by), group_(&group), packing_(parts), given_(total(packing_.given_counts())), taken_(total(packing_.taken_counts())) {}

  const block& owned() const { return packing_.owned(); }
  const block& read() const { return packing_.read(); }

  /// Collective over the group: from what this rank owns to what it reads, all of it once
  /// `finish` has been called.
  void start(span<const element, space> own, span<element, space> all) {
    by_.pack(packing_.given(), owned(), own, given_);
    by_.meet(*group_, [this](auto& ranks, auto order) { all_to_all_v(ranks, given_, packing_.given_counts(), taken_, packing_.taken_counts(), order); });
    by_.copy(common(owned(), read()), owned(), own, read(), all);
  }
  void finish(span<element, space> all) { by_.unpack(packing_.taken(), taken_, read(), all); }

  /// Collective over the group: the gradient of what this rank owns, summed over all who have
  /// read it, from the gradients of what each has read.
  void start_back(span<const element, space> all, span<element, space> own) {
    by_.pack(packing_.taken(), read(), all, taken_);
    by_.meet(*group_, [this](auto& ranks, auto order) { all_to_all_v(ranks, taken_, packing_.taken_counts(), given_, packing_.given_counts(), order); });
    by_.clear(own);
    by_.copy(common(owned(), read()), read(), all, owned(), own);
  }
  void finish_back(span<element, space> own) {
    std::size_t at = 0;
    for (const block& part : packing_.given()) {
      by_.add(part, part, span<const element, space>(given_).subspan(at, part.elements()), owned(), own);
      at += part.elements();
    }
  }

 private:
  static std::size_t total(span<const std::size_t> counts) { return std::accumulate(counts.begin(), counts.end(), std::size_t{0}); }

  mover by_;
  communicator* group_;
  halo_packing packing_;
  buffer<element, space> given_, taken_;
};

}  // namespace tutti
