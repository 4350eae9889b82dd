#pragma once
#include <concepts>
#include <cstddef>

#include <tutti/base/span.hpp>
#include <tutti/nn/parameter.hpp>

namespace tutti {

/// Applies gradients to a run of elements of the parameter store.
template <class O>
concept optimiser = requires(O& o, std::size_t n) { o.update(n, n); };

/// Ends a step of an optimiser that has something to do once it has seen all gradients.
template <optimiser O>
void end_step(O& o) {
  if constexpr (requires { o.end_step(); }) o.end_step();
}

/// One of an optimiser's options. An optimiser that has a member `settings()`,
/// which returns a range of them, has them compared between ranks.
struct setting {
  const char* name = "";
  double value = 0;
};

/// What happens between backward and the next forward. `fetch` comes before a
/// parameter's first use in a step, `push` when backward has its gradient,
/// scaled so that the ranks' sum is the gradient of the mean; `finish` ends the
/// step and applies the update. Every rank calls them in the same order: the
/// network's, last parameter first in backward.
template <class P, class T, class O, class Space = host>
concept gradient_policy = optimiser<O> && requires(P& policy, const parameter& p, span<T, Space> gradient, O& o) {
  policy.fetch(p);
  policy.push(p, gradient);
  policy.finish(o);
};

/// Seconds that a policy has spent in communication.
struct communication_time {
  double hidden = 0;   ///< something was under way, and the rank went on computing
  double exposed = 0;  ///< the rank waited for it
  double total() const { return hidden + exposed; }
};

/// A policy that leaves the ranks' gradients as they are says so: `leaves_sums`.
template <class P>
concept leaves_sums = requires { requires P::leaves_sums; };

/// One rank, which owes nobody anything.
template <class T, memory_space Space = host>
class local_gradients {
 public:
  static constexpr bool leaves_sums = true;

  explicit local_gradients(parameter_store<T, Space>& parameters) : parameters_(&parameters) {}

  void fetch(const parameter&) {}
  void push(const parameter&, span<T, Space>) {}
  template <optimiser O>
  void finish(O& o) {
    o.update(0, parameters_->values().size());
    end_step(o);
  }
  /// Nothing that it does asks others or waits.
  bool can_be_recorded() const { return true; }

 private:
  parameter_store<T, Space>* parameters_;
};

}  // namespace tutti
