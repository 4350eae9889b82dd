#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/train/gradient_policy.hpp>

namespace tutti {

struct bucket_options {
  /// A bucket leaves as soon as it holds this many bytes: small enough for the
  /// first to leave early, large enough for bandwidth.
  std::size_t bytes = 256 * 1024;
};

/// Replicated parameters, whose gradients are summed over all ranks: in buckets
/// that leave while backward goes on. Which parameter is in which bucket, and
/// the order of buckets, follow from the network alone. Sends 2 (p−1)/p of the
/// gradients from each rank and step, nothing but what the store holds.
template <class T>
class bucketed_all_reduce {
 public:
  /// Collective: the buckets get a communicator of their own, advanced by a
  /// thread of its own. `comm` and `parameters` must outlive the policy.
  bucketed_all_reduce(communicator& comm, parameter_store<T>& parameters, const bucket_options& o = {})
      : parameters_(&parameters), comm_(comm.duplicate({.progress = progress::thread})) {
    const auto& all = parameters.parameters();
    std::size_t end = parameters.values().size();
    for (std::size_t i = all.size(); i-- > 0;)
      if ((end - all[i].offset) * sizeof(T) >= o.bytes || i == 0) {
        buckets_.push_back({.first_parameter = i, .first = all[i].offset, .count = end - all[i].offset});
        end = all[i].offset;
      }
    next_ = all.size();
  }

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
    if (comm_.size() == 1) return;
    look();
    if (p.index != buckets_[flights_.size()].first_parameter) return;
    const bucket& full = buckets_[flights_.size()];
    flights_.push_back(
        {.left_at = now(),
         .under_way = all_reduce_async(comm_, parameters_->gradients().subspan(full.first, full.count), plus{})});
  }

  /// Waits for each bucket in turn and applies it while the next is under way.
  /// Throws `errc::invalid_argument` where gradients are missing, and what
  /// `request::wait` throws.
  template <optimiser O>
  void finish(O& o) {
    if (next_ != 0)
      throw error(errc::invalid_argument, format("the step ends without the gradient of '%s'",
                                                 parameters_->parameters()[next_ - 1].label.text().c_str()));
    double free_at = 0;
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      if (b < flights_.size()) free_at = wait(flights_[b], free_at);
      o.update(buckets_[b].first, buckets_[b].count);
    }
    flights_.clear();
    next_ = parameters_->parameters().size();
  }

 private:
  struct bucket {
    std::size_t first_parameter = 0;
    std::size_t first = 0, count = 0;  // in the store
  };
  struct flight {
    double left_at = 0, seen_at = 0;
    request under_way;
  };

  // Returns when the bucket was there. Buckets are reduced one after the other,
  // so that its time began no earlier than the one before was through.
  double wait(flight& f, double free_at) {
    const double waited_from = now();
    f.under_way.wait();
    const double waited_to = now();
    const double from = f.left_at > free_at ? f.left_at : free_at;
    const double overlapped_to = f.seen_at > 0 ? f.seen_at : waited_from;
    if (overlapped_to > from) time_.hidden += overlapped_to - from;
    time_.exposed += waited_to - waited_from;
    return f.seen_at > 0 ? f.seen_at : waited_to;
  }

  // When a bucket arrives is seen between layers, and so up to one layer late.
  void look() {
    for (flight& f : flights_)
      if (f.seen_at == 0 && f.under_way.test()) f.seen_at = now();
  }

  parameter_store<T>* parameters_;
  communicator comm_;
  std::vector<bucket> buckets_;
  std::vector<flight> flights_;
  std::size_t next_ = 0;  // gradients before this parameter are still to come
  communication_time time_;
};

}  // namespace tutti
