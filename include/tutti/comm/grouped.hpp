#pragma once
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include <tutti/comm/call_checks.hpp>
#include <tutti/comm/request.hpp>
#include <tutti/device/n_ary_fold.hpp>

namespace tutti {

/// Several vectors of one type that are reduced as one: what many small calls
/// cost is then paid once. Refers to the vectors, which must stay where they are.
template <class T>
class grouped {
 public:
  grouped() = default;
  template <class... Vectors>
    requires(sizeof...(Vectors) > 1)
  explicit grouped(Vectors&... vectors) {
    (add(vectors), ...);
  }

  void add(span<T> vector) {
    vectors_.push_back(vector);
    size_ += vector.size();
  }
  /// Elements of all together.
  std::size_t size() const { return size_; }
  const std::vector<span<T>>& vectors() const { return vectors_; }

 private:
  std::vector<span<T>> vectors_;
  std::size_t size_ = 0;
};

namespace detail {

/// The operation of a grouped call, which also puts the vectors together and
/// takes them apart again.
template <class T, class Op>
struct grouped_fold {
  Op op;
  const grouped<T>* of;

  T operator()(const T& a, const T& b) const { return static_cast<T>(op(a, b)); }

  static void before(void* staging, const void* self) {
    auto* to = static_cast<std::byte*>(staging);
    for (const span<T>& v : static_cast<const grouped_fold*>(self)->of->vectors()) {
      if (!v.empty()) std::memcpy(to, v.data(), v.size() * sizeof(T));
      to += v.size() * sizeof(T);
    }
  }
  static void after(const void* result, const void* self) {
    const auto* from = static_cast<const std::byte*>(result);
    for (const span<T>& v : static_cast<const grouped_fold*>(self)->of->vectors()) {
      if (!v.empty()) std::memcpy(static_cast<void*>(v.data()), from, v.size() * sizeof(T));
      from += v.size() * sizeof(T);
    }
  }
};

template <class T, class Op>
operation& start_grouped(communicator& c, const grouped<T>& group, const Op& op, const call_options& options) {
  check_operation<T, Op>();
  static_assert(!is_converting<Op> && !travel<T, Op>::averages,
                "tutti: grouped vectors are folded as they are; convert or divide them one by one, after the call");
  for (const span<T>& v : group.vectors()) need_memory(c, collective::all_reduce, v);
  call_shape shape = shape_of<T, Op>(collective::all_reduce, group.size(), -1, options);
  using fold = grouped_fold<T, Op>;
  const fold all{op, &group};
  call_memories m{.alignment = alignof(T), .fold = fold_function_of<T>(all), .keep = keep_functor<fold>};
  if (group.size() > 0) {
    shape.staging = group.size() * sizeof(T);
    m.before = fold::before;
    m.after = fold::after;
  }
  return c.issue(shape, m);
}

}  // namespace detail

/// `all_reduce` in place of several vectors as one vector: every rank names as
/// many vectors of the same lengths. Cost: one call of their sizes together, and
/// a copy of them into memory of the call's and back.
template <class T, class Op = plus>
void all_reduce(communicator& c, grouped<T>& group, const Op& op = {}, call_options options = {}) {
  c.wait(detail::start_grouped(c, group, op, options));
}

/// The same under way: until the request is through, the vectors are the
/// library's and the group must live. What is wrong with the arguments is thrown
/// here, what goes wrong later by the request's `wait` and `test`.
template <class T, class Op = plus>
request all_reduce_async(communicator& c, grouped<T>& group, const Op& op = {}, call_options options = {}) {
  return {c, detail::start_grouped(c, group, op, options)};
}

}  // namespace tutti
