#pragma once
#include <cstddef>
#include <list>
#include <vector>

#include <tutti/comm/device_collectives.hpp>
#include <tutti/nn/device_moves.hpp>
#include <tutti/nn/sharded_model.hpp>
#include <tutti/train/bucketed_all_reduce.hpp>

namespace tutti {

/// `bucketed_all_reduce` on devices: buckets leave on a stream of their own while
/// backward goes on in the backend's, and each is applied in that one once it is there.
/// No stream waits for more than it needs; the host waits until all ranks have come to a
/// bucket, as in any collective on device memory. Where data goes through the host it waits
/// for that too, so that a bucket is under way beside what backward was given before it alone:
/// windows, messages and NCCL go on beside what comes after it.
template <class Backend>
class streamed_all_reduce {
  using number = typename Backend::number;
  using space = typename Backend::space;
  using device = typename Backend::device;

 public:
  /// Collective. `m` must outlive it.
  explicit streamed_all_reduce(sharded_model<Backend>& m, const bucket_options& o = {.bytes = std::size_t{4} << 20})
      : model_(&m), stream_(m.on_backend()), next_(m.parameters().parameters().size()) {
    detail::join_lines(lines_, m.on(), m.sums(), [&](unsigned axes, communicator& ranks) { lines_.emplace_back(axes, ranks, there()); });
    for (const gradient_bucket& b : buckets_of(m.parameters().parameters(), m.sums(), (o.bytes + sizeof(number) - 1) / sizeof(number))) {
      bucket& made = buckets_.emplace_back(bucket{.what = b, .along = detail::line_over(lines_, b.axes)});
      if (made.along) made.filled = there().make_event(), made.summed = there().make_event();
    }
  }

  std::size_t buckets() const { return buckets_.size(); }

  void fetch(const parameter&) {}

  /// Once a gradient fills its bucket, that one leaves. Throws `errc::invalid_argument`
  /// where `p` is not the one before the last pushed, or its gradient lies elsewhere than
  /// in the model, and what `all_reduce` of device memory throws.
  void push(const parameter& p, span<number, space> gradient) {
    if (lines_.empty()) return;
    if (next_ == 0 || p.index != next_ - 1 || gradient.data() != model_->parameters().gradient(p).data())
      throw error(errc::invalid_argument, format("the gradient of '%s' was pushed out of turn, or from elsewhere than where the model has it", p.label.text().c_str()));
    next_ = p.index;
    for (; full_ < buckets_.size() && buckets_[full_].what.first_parameter >= next_; ++full_)
      if (bucket& b = buckets_[full_]; b.along) model_->on_backend().on_host([this, &b] { leave(b); });
  }

  /// The optimiser's work waits for each bucket in turn; the host does not.
  template <optimiser O>
  void finish(O& o) {
    if (!lines_.empty() && next_ != 0)
      throw error(errc::invalid_argument,
                  format("the step ends without the gradient of '%s'", model_->parameters().parameters()[next_ - 1].label.text().c_str()));
    for (bucket& b : buckets_)
      if (!b.along) o.update(b.what.first, b.what.count);
    for (bucket& b : buckets_)
      if (b.along) {
        model_->on_backend().on_host([this, &b] { there().wait(order(), b.summed); });
        o.update(b.what.first, b.what.count);
      }
    end_step(o);
    begin_again();
  }
  /// A step that was begun is not ended: the next gradient is the last parameter's.
  void begin_again() {
    full_ = 0;
    next_ = model_->parameters().parameters().size();
  }

  /// What asks other ranks, or waits for what they were asked, is done on the host.
  bool can_be_recorded() const { return true; }

  /// Collective: gives back what ranks share, once all of them are done with it. May be
  /// left out where the ranks end together.
  void close() {
    for (line& l : lines_) l.ranks.close();
  }

 private:
  struct line {
    line(unsigned over, communicator& c, const device& d) : axes(over), ranks(c, d) {}
    unsigned axes;
    device_communicator<device> ranks;
  };
  struct bucket {
    gradient_bucket what;
    line* along = nullptr;  // none where nobody else has a summand
    typename device::event filled{}, summed{};
  };

  const device& there() const { return model_->on_backend().device(); }
  auto order() const { return model_->on_backend().order(); }

  void leave(bucket& b) {
    const typename Backend::range shown("all-reduce of gradients");
    there().record(b.filled, order());
    there().wait(stream_.order(), b.filled);
    all_reduce(b.along->ranks, model_->parameters().gradients().subspan(b.what.first, b.what.count), plus{}, stream_.order());
    there().record(b.summed, stream_.order());
  }

  sharded_model<Backend>* model_;
  typename Backend::stream stream_;
  std::list<line> lines_{};
  std::vector<bucket> buckets_{};  // in the order in which they leave
  std::size_t full_ = 0;           // so many have left in this step
  std::size_t next_;               // gradients before this parameter are still to come
};

}  // namespace tutti
