#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <tutti/kernel/channels_last_batch_norm.hpp>
#include <tutti/kernel/channels_last_layer.hpp>
#include <tutti/kernel/channels_last_loss.hpp>
#include <tutti/kernel/channels_last_pool.hpp>
#include <tutti/kernel/mixed_precision.hpp>
#include <tutti/kernel/recorded_work.hpp>

namespace tutti {

/// The arithmetic of a network on pictures with their channels last, in the memory and
/// the order of a machine: the names of `naive_backend`. What is no product is written
/// here once, for any machine: a CUDA device, or one that tests make up. No call waits
/// but `fetch` and `bring`.
///
/// A `Machine` has a `context` (with `space`, `order()`, `device()`, `wait()`, `scratch(bytes)`,
/// which is memory that `fetch` and `bring` share; it is `recordable`), the type `device` of its device (see device/gpu.hpp), a `stream` of its own, a `graph`, a `range`
/// that a profiler shows, and `convolution<T>` and `dense<T>`, products as
/// `channels_last::layer` wants them.
template <class T, class Machine>
struct channels_last_backend : Machine {
  using element = T;
  using context = typename Machine::context;
  using space = typename context::space;
  /// Of parameters and statistics: 16-bit elements have floats.
  using number = channels_last::sum_of<T>;
  using format = channels_last::picture_format;
  using tensor = channels_last::tensor<T, space>;
  using parameter = channels_last::tensor<number, space>;
  using layer_request = channels_last::layer_request;
  using convolution = channels_last::layer<T, context, convolution_geometry, typename Machine::template convolution<T>>;
  using dense = channels_last::layer<T, context, dense_geometry, typename Machine::template dense<T>>;

  static void copy(context& c, const tensor& from, tensor& into) { channels_last::copy<T, space>(from, into, c.order()); }

  /// y = a + b, or max(a + b, 0) where `relu`; a and b may lie where y does; all in one format.
  static void add(context& c, const tensor& a, const tensor& b, tensor& y, bool relu = false) {
    channels_last::add<T, space>(a.stored(), b.stored(), y.stored(), relu, c.order());
  }

  template <class U>
  static void fill(context& c, span<U, space> y, std::type_identity_t<U> value) {
    channels_last::fill<U, space>(y, value, c.order());
  }
  /// Each element is 1 more.
  template <class U>
  static void increase(context& c, span<U, space> y) {
    channels_last::increase<U, space>(y, c.order());
  }

  /// Row-major elements (n), which are where `into` is, into its format.
  template <class U, class V>
  static void arrange(context& c, span<const U, space> rows, channels_last::tensor<V, space>& into) {
    channels_last::from_rows<V, U, space>(channels_last::row_order(into.format()), rows, into.stored(), c.order());
  }
  /// A tensor's elements (n), row-major, to where it is.
  template <class U, class V>
  static void line_up(context& c, const channels_last::tensor<V, space>& from, span<U, space> rows) {
    channels_last::to_rows<U, V, space>(channels_last::row_order(from.format()), from.stored(), rows, c.order());
  }
  /// Row-major elements (n) of the host into a tensor. Waits.
  template <class U, class V>
  static void bring(context& c, span<const U> rows, channels_last::tensor<V, space>& into) {
    const span<U, space> there = scratch<U>(c, rows.size());
    // A copy of the host's memory may wait for the stream itself, and look at nobody then.
    c.wait();
    c.device().copy(there.data(), rows.data(), rows.size() * sizeof(U), c.order());
    arrange(c, span<const U, space>(there), into);
    c.wait();
  }
  /// A tensor's elements (n), row-major, for the host. Waits.
  template <class U, class V>
  static void fetch(context& c, const channels_last::tensor<V, space>& from, span<U> rows) {
    const span<U, space> there = scratch<U>(c, rows.size());
    line_up(c, from, there);
    c.wait();
    c.device().copy(rows.data(), there.data(), rows.size() * sizeof(U), c.order());
    c.wait();
  }
  /// Elements (n) as they lie, for the host. Waits.
  template <class U>
  static void fetch(context& c, span<const U, space> from, span<U> into) {
    c.wait();
    c.device().copy(into.data(), from.data(), into.size() * sizeof(U), c.order());
    c.wait();
  }

  /// As `channels_last::dropout`, of step number `step` (1).
  static void drop(context& c, const dropout_mask& mask, span<const std::uint32_t, space> step, const channels_last::sizes& whole, const std::size_t (&first)[5],
                   tensor& y) {
    channels_last::dropout<T, space>(mask, step, y.format().sizes(), whole, first, y.stored(), c.order());
  }

  /// Losses of a batch of at most so many samples, and their sums over batches.
  class losses {
   public:
    /// `cut`: where ranks have some of the classes each.
    losses(context& c, std::size_t samples, bool cut) : c_(&c), loss_(samples), right_(samples), labels_(samples), greatest_(cut ? samples : 0), sums_(cut ? 2 * samples : 0) {}

    /// (samples): to be filled before the losses are computed.
    span<std::uint8_t, space> labels() { return labels_; }
    /// Logits (samples, classes), the gradient of them where dlogits is not null, times
    /// `scale` and `factor` (1) where that is not empty; where `counts` the losses are
    /// added to `into` (1).
    void operator()(const tensor& logits, float scale, span<const float, space> factor, tensor* dlogits, bool counts, span<loss_figures, space> into) {
      const typename Machine::range shown("loss");
      const std::size_t samples = loss_.size(), classes = samples > 0 ? logits.stored().size() / samples : 0;
      channels_last::softmax_cross_entropy<T, space>(classes, logits.stored(), span<const std::uint8_t, space>(labels_), scale,
                                                     dlogits ? dlogits->stored() : span<T, space>(), loss_, right_, factor, c_->order());
      if (counts) count(into);
    }
    /// Of `classes` from `first` on, where they are cut; `fold` as `channels_last` has it.
    template <class Fold>
    void operator()(const tensor& logits, std::size_t classes, std::size_t first, float scale, span<const float, space> factor, tensor* dlogits, bool counts,
                    span<loss_figures, space> into, Fold fold) {
      const typename Machine::range shown("loss");
      channels_last::softmax_cross_entropy<T, space>(classes, first, logits.stored(), span<const std::uint8_t, space>(labels_), scale,
                                                     dlogits ? dlogits->stored() : span<T, space>(), loss_, right_, factor, span<indexed<float>, space>(greatest_),
                                                     span<float, space>(sums_), c_->order(), fold);
      if (counts) count(into);
    }

   private:
    void count(span<loss_figures, space> into) const {
      channels_last::count<space>(span<const double, space>(loss_), span<const std::uint8_t, space>(right_), into, c_->order());
    }

    context* c_;
    buffer<double, space> loss_;
    buffer<std::uint8_t, space> right_, labels_;
    buffer<indexed<float>, space> greatest_;
    buffer<float, space> sums_;
  };

  class max_pool {
   public:
    max_pool(context& c, const pool_geometry& g, const format&, bool train) : c_(&c), g_(g), winner_(train ? g.outputs() : 0) {}
    format y() const { return format(channels_last::results_of(g_)); }
    void forward(const tensor& x, tensor& y) {
      const typename Machine::range shown("max pool");
      channels_last::max_pool<T, space>(g_, x.stored(), y.stored(), winner_, c_->order());
    }
    void backward(const tensor& dy, tensor& dx) {
      const typename Machine::range shown("max pool, backward");
      channels_last::max_pool_backward<T, space>(g_, dy.stored(), span<const std::uint32_t, space>(winner_), dx.stored(), c_->order());
    }

   private:
    context* c_;
    pool_geometry g_;
    buffer<std::uint32_t, space> winner_;
  };

  class average_pool {
   public:
    average_pool(context& c, const pool_geometry& g, const format&, bool) : c_(&c), g_(g) {}
    format y() const { return format(channels_last::results_of(g_)); }
    void forward(const tensor& x, tensor& y) {
      const typename Machine::range shown("average pool");
      channels_last::average_pool<T, space>(g_, x.stored(), y.stored(), c_->order());
    }
    void backward(const tensor& dy, tensor& dx) {
      const typename Machine::range shown("average pool, backward");
      channels_last::average_pool_backward<T, space>(g_, dy.stored(), dx.stored(), c_->order());
    }

   private:
    context* c_;
    pool_geometry g_;
  };

  /// y lies in the format of x. Sums lie where x does, and are added up there.
  class batch_norm {
   public:
    using statistic = typename channels_last::batch_norm<T, space>::statistic;

    batch_norm(context& c, const norm_geometry& g, const format&, bool relu, double epsilon) : c_(&c), kernel_(g, relu, epsilon) {}

    span<statistic, space> sum(span<const T, space> x) {
      const typename Machine::range shown("batch norm, sums");
      return kernel_.sum(x, c_->order());
    }
    void normalise(span<const T, space> x, span<const number, space> scale, span<const number, space> shift, span<T, space> y) {
      const typename Machine::range shown("batch norm");
      kernel_.normalise(x, scale, shift, y, c_->order());
    }
    void normalise(span<const T, space> x, span<const number, space> means, span<const number, space> variances, span<const number, space> scale,
                   span<const number, space> shift, span<T, space> y) {
      const typename Machine::range shown("batch norm");
      kernel_.normalise(x, means, variances, scale, shift, y, c_->order());
    }
    void follow(span<number, space> means, span<number, space> variances, double part) const { kernel_.follow(means, variances, part, c_->order()); }
    span<statistic, space> sum_gradients(span<const T, space> x, span<const T, space> dy) {
      const typename Machine::range shown("batch norm, sums of gradients");
      return kernel_.sum_gradients(x, dy, c_->order());
    }
    void backward(span<const T, space> x, span<const T, space> dy, span<T, space> dx, span<number, space> dscale, span<number, space> dshift) {
      const typename Machine::range shown("batch norm, backward");
      kernel_.backward(x, dy, dx, dscale, dshift, c_->order());
    }

   private:
    context* c_;
    channels_last::batch_norm<T, space> kernel_;
  };

  /// In place.
  class relu {
   public:
    relu(context& c, const format&) : c_(&c) {}
    void forward(tensor& y) { channels_last::add_bias<T, space>(y.stored(), span<const number, space>(), 1, true, c_->order()); }
    void backward(const tensor& y, tensor& dy) { channels_last::relu_backward<T, space>(y.stored(), dy.stored(), c_->order()); }

   private:
    context* c_;
  };

 private:
  template <class U>
  static span<U, space> scratch(context& c, std::size_t n) {
    return {reinterpret_cast<U*>(c.scratch(n * sizeof(U))), n};
  }
};

}  // namespace tutti
