#pragma once
#include <cstddef>
#include <ostream>
#include <utility>
#include <vector>

#include <tutti/comm/uneven.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/kernel/random.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/mesh/resharding.hpp>

namespace tutti {

/// A tensor of which each rank of a mesh holds a block, row-major, where
/// neighbours can read it. Shards may be uneven, or empty. Elements are named by
/// their number in the whole tensor, row-major, whatever the placement.
template <class T>
class sharded_tensor {
 public:
  /// Of zeros. `on` must outlive it.
  sharded_tensor(process_mesh& on, const shape& whole, const placement& at = {})
      : on_(&on), whole_(whole), at_(at), held_(block_of(whole, at, on.shape(), on.rank())), values_(on.all(), held_.elements()) {
    for (T& value : values()) value = T{};
  }

  process_mesh& on() const { return *on_; }
  const shape& whole() const { return whole_; }
  const placement& where() const { return at_; }
  /// What this rank holds, and its elements; along a partial axis its summands.
  const block& held() const { return held_; }
  span<T> values() { return values_; }
  span<const T> values() const { return {values_.data(), values_.size()}; }

  /// This rank's element number `index` of the whole; null where it does not hold it,
  /// or the whole has not so many.
  T* find(std::size_t index) {
    if (index >= whole_.elements()) return nullptr;
    block place(whole_);
    for (std::size_t d = whole_.rank(); d-- > 0; index /= whole_[d].size) place[d] = {.first = index % whole_[d].size, .count = 1};
    return common(place, held_) == place ? values_.data() + held_.offset_of(place) : nullptr;
  }

  /// Sets each element to what `value(index)` says, the same on every rank. Along
  /// a partial axis the first rank gets it and the others zeros.
  template <class Value>
  void fill(Value value) {
    const block all(whole_);
    const bool first = keeps_sums();
    for_each_run(held_, held_, all, [&](std::size_t here, std::size_t there, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) values_[here + i] = first ? value(there + i) : T{};
    });
  }
  /// Uniform in [−1, 1), or any bits where T has no fractions: a function of seed
  /// and index, so the same tensor in every placement.
  void fill_random(std::uint64_t seed) {
    const random_stream random{.seed = seed};
    fill([&](std::size_t i) {
      if constexpr (std::is_floating_point_v<T>) return static_cast<T>(2 * random.uniform(i) - 1);
      else return static_cast<T>(random.at(i));
    });
  }

  /// Each element becomes function(element). Throws `invalid_argument` where this is a
  /// sum over an axis: a function need not be linear.
  template <class Function>
  void apply(Function function) {
    need_accepted(why_not_whole(whole_, at_, on_->shape()));
    for (T& value : values()) value = function(value);
  }

  /// The same tensor in another placement. Collective.
  sharded_tensor moved(const placement& to) const {
    sharded_tensor next(*on_, whole_, to);
    resharding<T> move_it(*on_, whole_, at_, to);
    move_it(values(), next.values());
    return next;
  }

  /// All elements at the mesh's rank `root`, elsewhere nothing. Collective. Cost:
  /// sums are added up first; then one gather of each element once.
  std::vector<T> gather(int root) const {
    placement sums_done = at_;
    for (int axis = 0; axis < on_->shape().axes(); ++axis) sums_done = sums_done.with_partial(axis, false);
    if (!(sums_done == at_)) return moved(sums_done).gather(root);
    const std::vector<block> from = parts();
    const std::vector<std::size_t> counts = counts_of(from, true);
    const bool here = on_->rank().value == root;
    std::vector<block> sent;
    for (std::size_t r = 0; r < from.size(); ++r)
      if (counts[r] > 0) sent.push_back(from[r]);
    const bool unpacks = here && !lie_in_order(sent, block(whole_));
    std::vector<T> all(here ? whole_.elements() : 0), packed(unpacks ? all.size() : 0);
    gather_v(on_->all(), span<const T>(values_.data(), counts[static_cast<std::size_t>(on_->rank().value)]), unpacks ? span<T>(packed) : span<T>(all),
             span<const std::size_t>(counts), root);
    if (unpacks) unpack_blocks(sent, std::as_const(packed).data(), block(whole_), all.data());
    return all;
  }

  /// Takes all elements from the mesh's rank `root`, where `all` has them;
  /// elsewhere it is not looked at. Collective. Throws `invalid_argument` at the
  /// root where it has another number of them. Cost: one scatter of every rank's part.
  void scatter(int root, span<const T> all) {
    const bool here = on_->rank().value == root;
    if (here && all.size() != whole_.elements())
      throw error(errc::invalid_argument, format("%zu elements are no tensor %s", all.size(), whole_.text().c_str()));
    const std::vector<block> to = parts();
    const std::vector<std::size_t> counts = counts_of(to, false);
    std::size_t total = 0;
    for (std::size_t n : counts) total += n;
    std::vector<T> packed(here ? total : 0);
    if (here) pack_blocks(to, block(whole_), all.data(), packed.data());
    scatter_v(on_->all(), span<const T>(packed.data(), packed.size()), values(), span<const std::size_t>(counts), root);
    if (!keeps_sums())
      for (T& value : values()) value = T{};
  }

 private:
  // Whether this rank has what the others along partial axes have zeros for.
  bool keeps_sums() const {
    for (int axis = 0; axis < on_->shape().axes(); ++axis)
      if (at_.partial_on(axis) && on_->shape().coordinate(on_->rank(), axis) != 0) return false;
    return true;
  }

  std::vector<block> parts() const {
    std::vector<block> all;
    for (rank r{0}; r.value < on_->shape().size(); ++r.value) all.push_back(block_of(whole_, at_, on_->shape(), r));
    return all;
  }
  // Elements of each part; with `once`, of those that an earlier rank has as well, none.
  std::vector<std::size_t> counts_of(const std::vector<block>& of, bool once) const {
    std::vector<std::size_t> counts;
    for (std::size_t r = 0; r < of.size(); ++r) {
      const bool first = first_of_replicas(at_, on_->shape(), {static_cast<int>(r)});
      counts.push_back(first || !once ? of[r].elements() : 0);
    }
    return counts;
  }
  process_mesh* on_;
  shape whole_;
  placement at_;
  block held_;
  buffer<T> values_;
};

/// What this rank holds, as in `rank 1 of data=2 holds batch 2 to 3, features 0 to
/// 1 of (batch:data 4, features 2): 5 6 7 8`.
template <class T>
std::ostream& operator<<(std::ostream& out, const sharded_tensor<T>& t) {
  out << "rank " << t.on().rank().value << " of " << t.on().shape().text() << " holds";
  for (std::size_t d = 0; d < t.held().rank(); ++d) {
    const share& s = t.held()[d];
    out << (d > 0 ? ", " : " ") << t.whole()[d].what.text();
    if (s.count > 0) out << " " << s.first << " to " << s.end() - 1;
    else out << " nothing";
  }
  out << " of " << text_of(t.whole(), t.where(), t.on().shape()) << ":";
  for (const T& value : t.values()) out << " " << value;
  return out;
}

namespace detail {

template <class T>
void need_one_mesh(const sharded_tensor<T>& a, const sharded_tensor<T>& b) {
  if (&a.on() != &b.on())
    throw error(errc::invalid_argument, format("%s lies on the mesh %s and %s on another, %s", a.whole().text().c_str(), a.on().shape().text().c_str(),
                                               b.whole().text().c_str(), b.on().shape().text().c_str()));
}

}  // namespace detail

}  // namespace tutti
