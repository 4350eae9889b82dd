#pragma once
#include <cstddef>
#include <vector>

#include <tutti/mesh/block.hpp>
#include <tutti/mesh/einsum.hpp>

namespace tutti {

/// A part of a product's loops, of tensors in memory: each operand is brought into the
/// order of a matrix product, (both and the result, its own, summed), unless it lies so.
template <class T>
class local_product {
 public:
  explicit local_product(const einsum& e) : e_(e) {
    for (std::size_t i = 0; i < e.over().rank(); ++i) {
      const name& what = e.over()[i].what;
      if (!e.result().has(what)) summed_.push_back(i);
      else if (e.a().has(what) && e.b().has(what)) both_.push_back(i);
      else (e.a().has(what) ? rows_ : columns_).push_back(i);
    }
  }

  /// Adds the products in `loops` to c. Each block says what of its tensor is in
  /// memory, and has all that the loops need. `matmul(m, n, k, a, b, c)` is as
  /// `blocked_matmul`.
  template <class Matmul>
  void operator()(const block& loops, const block& in_a, const T* a, const block& in_b, const T* b, const block& in_c, T* c, Matmul& matmul) {
    const std::size_t times = count(loops, both_), m = count(loops, rows_), n = count(loops, columns_), k = count(loops, summed_);
    if (times * m * n * k == 0) return;
    const walk left(*this, e_.a(), loops, in_a, {&both_, &rows_, &summed_}), right(*this, e_.b(), loops, in_b, {&both_, &summed_, &columns_}),
        made(*this, e_.result(), loops, in_c, {&both_, &rows_, &columns_});
    const T *x = in_order(left, a, a_), *w = in_order(right, b, b_);
    T* y = made.lies_so() ? c + made.begin : (c_.assign(times * m * n, T{}), c_.data());
    for (std::size_t i = 0; i < times; ++i) matmul(m, n, k, x + i * m * k, w + i * k * n, y + i * m * n);
    if (y == c_.data())
      made.each([&](std::size_t here, std::size_t there) { c[there] = static_cast<T>(c[there] + c_[here]); });
  }

 private:
  using dimensions = std::vector<std::size_t>;  // numbers in e_.over()

  // The places of a tensor in another order of its dimensions.
  struct walk {
    std::vector<std::size_t> counts{}, strides{};
    std::size_t begin = 0;

    walk(const local_product& of, const shape& tensor, const block& loops, const block& in, std::initializer_list<const dimensions*> order) {
      for (const dimensions* some : order)
        for (std::size_t i : *some) {
          std::size_t stride = 1, d = tensor.rank();
          while (!(tensor[--d].what == of.e_.over()[i].what)) stride *= in[d].count;
          counts.push_back(loops[i].count), strides.push_back(stride);
          begin += stride * (loops[i].first - in[d].first);
        }
    }
    bool lies_so() const {
      std::size_t next = 1;
      for (std::size_t i = counts.size(); i-- > 0; next *= counts[i])
        if (counts[i] > 1 && strides[i] != next) return false;
      return true;
    }
    // Calls visit(number in this order, place in memory).
    template <class Visit>
    void each(Visit visit) const {
      std::size_t all = 1;
      for (std::size_t n : counts) all *= n;
      const std::size_t run = counts.empty() ? 1 : counts.back(), step = counts.empty() ? 0 : strides.back();
      std::vector<std::size_t> at(counts.size());
      std::size_t place = begin;
      for (std::size_t done = 0; done < all; done += run) {
        for (std::size_t j = 0; j < run; ++j) visit(done + j, place + j * step);
        for (std::size_t i = counts.empty() ? 0 : counts.size() - 1; i-- > 0;) {
          place += strides[i];
          if (++at[i] < counts[i]) break;
          place -= at[i] * strides[i];
          at[i] = 0;
        }
      }
    }
  };

  static const T* in_order(const walk& w, const T* from, std::vector<T>& copy) {
    if (w.lies_so()) return from + w.begin;
    copy.clear();
    w.each([&](std::size_t, std::size_t place) { copy.push_back(from[place]); });
    return copy.data();
  }
  static std::size_t count(const block& loops, const dimensions& some) {
    std::size_t product = 1;
    for (std::size_t i : some) product *= loops[i].count;
    return product;
  }

  einsum e_;
  dimensions both_{}, rows_{}, columns_{}, summed_{};
  std::vector<T> a_{}, b_{}, c_{};
};

}  // namespace tutti
