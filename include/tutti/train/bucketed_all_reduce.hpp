#pragma once
#include <algorithm>
#include <cstddef>
#include <deque>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/train/gradient_buckets.hpp>
#include <tutti/train/gradient_policy.hpp>

namespace tutti {

struct bucket_options {
  /// A bucket leaves as soon as it holds this many bytes: small enough for the
  /// first to leave early, large enough for bandwidth.
  std::size_t bytes = 256 * 1024;
};

/// Gradients that are sums over axes of a mesh, each over its own set of them, are
/// added up in buckets that leave while backward goes on. Which parameter is in
/// which bucket, and the order of buckets, follow from network and layout alone.
/// Sends 2 (p−1)/p of the gradients that are sums over p ranks from each rank and
/// step, nothing but what the store holds.
template <class T>
class bucketed_all_reduce {
 public:
  /// Collective: the buckets of each set of axes get a communicator of their own,
  /// advanced by a thread of its own. `sums[i]` are the axes, bit a for axis a, over
  /// which gradient number i is a sum, by which the store is grouped. `on` and
  /// `parameters` must outlive the policy.
  bucketed_all_reduce(process_mesh& on, parameter_store<T>& parameters, const std::vector<unsigned>& sums, const bucket_options& o = {})
      : parameters_(&parameters), next_(parameters.parameters().size()) {
    detail::join_lines(lines_, on, sums, [&](unsigned axes, communicator& ranks) { lines_.push_back({axes, ranks.duplicate({.progress = progress::thread})}); });
    for (const gradient_bucket& b : buckets_of(parameters.parameters(), sums, (o.bytes + sizeof(T) - 1) / sizeof(T)))
      buckets_.push_back({.what = b, .along = detail::line_over(lines_, b.axes)});
  }

  /// Collective. Of a model that a layout has cut, which must outlive the policy.
  template <class Model>
    requires requires(Model& m) { m.sums(); }
  explicit bucketed_all_reduce(Model& m, const bucket_options& o = {}) : bucketed_all_reduce(m.on(), m.parameters(), m.sums(), o) {}

  std::size_t buckets() const { return buckets_.size(); }
  const communication_time& time() const { return time_; }

  /// Nothing to do: `finish` has brought every parameter up to date.
  void fetch(const parameter&) {}

  /// Takes the gradient of `p`, which is copied where it lies elsewhere than in
  /// the store. Once it fills its bucket, that one leaves: from then on until
  /// `finish` its gradients belong to the all-reduce. Throws
  /// `errc::invalid_argument` where `p` is not the one before the last pushed,
  /// and what `all_reduce_async` throws.
  void push(const parameter& p, span<T> gradient) {
    if (next_ == 0 || p.index != next_ - 1)
      throw error(
          errc::invalid_argument,
          format(
              "the gradient of '%s' was pushed out of turn: the network's last parameter comes first, each once a step",
              p.label.text().c_str()));
    next_ = p.index;
    span<T> stored = parameters_->gradient(p);
    if (gradient.data() != stored.data())
      for (std::size_t i = 0; i < stored.size(); ++i) stored[i] = gradient[i];
    look();
    for (; full_ < buckets_.size() && buckets_[full_].what.first_parameter >= next_; ++full_) leave(buckets_[full_]);
  }

  /// Waits for each bucket in turn and applies it while the next is under way.
  /// Throws `errc::invalid_argument` where gradients are missing, and what
  /// `request::wait` throws.
  template <optimiser O>
  void finish(O& o) {
    if (next_ != 0)
      throw error(errc::invalid_argument, format("the step ends without the gradient of '%s'",
                                                 parameters_->parameters()[next_ - 1].label.text().c_str()));
    for (line& l : lines_) l.free_at = 0;
    for (bucket& b : buckets_)
      if (!b.along) o.update(b.what.first, b.what.count);
    for (bucket& b : buckets_)
      if (b.along) {
        wait(b);
        o.update(b.what.first, b.what.count);
      }
    end_step(o);
    full_ = 0;
    next_ = parameters_->parameters().size();
  }

 private:
  /// Ranks that add up buckets, one after the other.
  struct line {
    unsigned axes;
    communicator ranks;
    double free_at = 0;
  };
  struct bucket {
    gradient_bucket what;
    line* along = nullptr;  // none where nobody else has a summand
    double left_at = 0, seen_at = 0;
    request under_way = {};
  };

  void leave(bucket& b) {
    if (!b.along) return;
    b.left_at = now();
    b.seen_at = 0;
    b.under_way = all_reduce_async(b.along->ranks, parameters_->gradients().subspan(b.what.first, b.what.count), plus{});
  }

  // A bucket's time began no earlier than the one before it was through.
  void wait(bucket& b) {
    const double waited_from = now();
    b.under_way.wait();
    const double waited_to = now();
    const double from = std::max(b.left_at, b.along->free_at), overlapped_to = b.seen_at > 0 ? b.seen_at : waited_from;
    if (overlapped_to > from) time_.hidden += overlapped_to - from;
    time_.exposed += waited_to - waited_from;
    b.along->free_at = b.seen_at > 0 ? b.seen_at : waited_to;
  }

  // When a bucket arrives is seen between layers, and so up to one layer late.
  void look() {
    for (std::size_t i = 0; i < full_; ++i)
      if (bucket& b = buckets_[i]; b.along && b.seen_at == 0 && b.under_way.test()) b.seen_at = now();
  }

  parameter_store<T>* parameters_;
  std::deque<line> lines_;
  std::vector<bucket> buckets_;  // in the order in which they leave
  std::size_t full_ = 0;         // so many have left in this step
  std::size_t next_;             // gradients before this parameter are still to come
  communication_time time_;
};

template <class Model>
bucketed_all_reduce(Model&) -> bucketed_all_reduce<typename Model::element>;
template <class Model>
bucketed_all_reduce(Model&, bucket_options) -> bucketed_all_reduce<typename Model::element>;

}  // namespace tutti
