#pragma once
#include <type_traits>

#include <tutti/base/operations.hpp>
#include <tutti/base/span.hpp>

namespace tutti {

/// What backends whose tensors lie in the host's memory have in common.
template <class T>
struct host_backend {
  using space = host;
  /// Of parameters and statistics.
  using number = T;

  template <class Context, class U>
  static void fill(Context&, span<U> y, std::type_identity_t<U> value) {
    for (U& each : y) each = value;
  }

  /// Ranks that add up what an operation holds.
  struct groups {
    /// Collective over `along`.
    template <class Context, class Ranks, class U>
    void add_up(Context&, Ranks& along, span<U> values) {
      all_reduce(along, values, plus{});
    }
  };
};

}  // namespace tutti
