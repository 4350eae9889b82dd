#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <tutti/nn/initial.hpp>
#include <tutti/nn/network.hpp>
#include <tutti/nn/parameter.hpp>
#include <tutti/nn/pass.hpp>

namespace tutti {

struct model_options {
  std::uint64_t seed = 1;  ///< of the initial parameters
  /// The batch for which parameters get their format. Every rank must name the
  /// same, however much of a batch it will get: gradients are added without
  /// regard to their format. Other batches work; they may have to reorder.
  std::size_t usual_batch = 32;
};

/// A network with parameters, on one backend.
template <class Backend>
class model {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;

  /// `c` must outlive the model.
  model(context& c, const network& net, const model_options& o = {}) : context_(&c), network_(net) {
    std::vector<parameter> all = parameters_of(net);
    formats_.resize(all.size());
    passes_.push_back(
        std::make_unique<pass<Backend>>(c, net, o.usual_batch > 0 ? o.usual_batch : 1, purpose::training, formats_));
    for (parameter& p : all) p.stored = formats_[p.index]->stored();
    store_ = parameter_store<element>(std::move(all));
    for (const parameter& p : store_.parameters()) {
      values_.emplace_back(c, *formats_[p.index], store_.value(p).data());
      gradients_.emplace_back(c, *formats_[p.index], store_.gradient(p).data());
      write(p, initial_values<element>(p, o.seed));
    }
  }

  const network& net() const { return network_; }
  parameter_store<element>& parameters() { return store_; }

  /// What runs a batch of this size; made at the first call, kept from then on.
  pass<Backend>& pass_for(std::size_t batch, purpose why) {
    for (auto& each : passes_)
      if (each->batch() == batch && each->why() == why) return *each;
    passes_.push_back(std::make_unique<pass<Backend>>(*context_, network_, batch, why, formats_));
    return *passes_.back();
  }

  /// The pass's output from its input. `use(parameter)` is called before a
  /// parameter's first use.
  template <class Use>
  void forward(pass<Backend>& p, Use use) {
    p.forward(values_, [&](std::size_t i) { use(store_.parameters()[i]); });
  }
  void forward(pass<Backend>& p) {
    forward(p, [](const parameter&) {});
  }

  /// All gradients from that of the pass's output. `ready(parameter, gradient)`
  /// is called as soon as one is there, from the last parameter to the first.
  template <class Ready>
  void backward(pass<Backend>& p, Ready ready) {
    p.backward(values_, gradients_, [&](std::size_t i) {
      const parameter& done = store_.parameters()[i];
      ready(done, store_.gradient(done));
    });
  }

  /// A parameter's values, row-major.
  std::vector<element> read(const parameter& p) { return read_from(p, values_[p.index]); }
  /// Its gradient, row-major.
  std::vector<element> read_gradient(const parameter& p) { return read_from(p, gradients_[p.index]); }

  /// Sets a parameter from row-major values.
  void write(const parameter& p, std::vector<element> values) {
    if (values.size() != p.dims.elements())
      throw error(errc::invalid_argument, format("parameter '%s' has %zu elements, not %zu", p.label.text().c_str(),
                                                 p.dims.elements(), values.size()));
    tensor from(*context_, plain(p), values.data());
    Backend::copy(*context_, from, values_[p.index]);
  }

  /// A number that says in which order each parameter lies in memory: ranks
  /// may add their gradients only where all have the same.
  std::uint64_t format_fingerprint() {
    std::uint64_t hash = 14695981039346656037u;
    for (const parameter& p : store_.parameters()) {
      std::vector<element> numbers(p.dims.elements());
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<element>(1 + i % 65521);
      tensor from(*context_, plain(p), numbers.data()), into(*context_, *formats_[p.index]);
      Backend::copy(*context_, from, into);
      for (element e : into.stored())
        hash = (hash ^ static_cast<std::uint64_t>(static_cast<double>(e))) * 1099511628211u;
    }
    return hash;
  }

 private:
  using tensor = typename Backend::tensor;
  using memory_format = typename Backend::format;

  /// Row-major, with the dimensions that the backend sees: the shape's, or those of
  /// the pictures that a dense layer reads.
  memory_format plain(const parameter& p) const { return formats_[p.index]->row_major(); }

  std::vector<element> read_from(const parameter& p, const tensor& from) {
    std::vector<element> values(p.dims.elements());
    tensor into(*context_, plain(p), values.data());
    Backend::copy(*context_, from, into);
    return values;
  }

  context* context_;
  network network_;
  typename pass<Backend>::formats formats_;
  parameter_store<element> store_;
  std::vector<tensor> values_, gradients_;
  std::vector<std::unique_ptr<pass<Backend>>> passes_;
};

}  // namespace tutti
