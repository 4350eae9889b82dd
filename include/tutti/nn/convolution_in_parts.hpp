#pragma once
#include <cstddef>
#include <vector>

#include <tutti/kernel/geometry.hpp>
#include <tutti/mesh/step_exchanges.hpp>
#include <tutti/nn/local_layer.hpp>

namespace tutti {

/// A convolution whose halo is on its way when it starts: it makes first what needs none.
/// Where that is nothing, or a part of it sees padding only, all of it waits.
template <class Backend>
class convolution_in_parts : public local_convolution<Backend> {
  using base = local_convolution<Backend>;
  using typename base::tensor, typename base::parameters, typename base::operands;

 public:
  explicit convolution_in_parts(const local_request<Backend>& r) : base(r) {
    if (!this->kernel()) return;
    for (const block& made : r.parts)
      if (made.elements() == 0 || read_of(r.what, r.read[0], made).elements() == 0) return;
    for (const block& made : r.parts) {
      const block in = read_of(r.what, r.read[0], made);
      parts_.emplace_back(r.context, *this->kernel(), this->request_of(r),
                          partial_convolution{.part = base::geometry(r.what, in, made), .reads = box_in(r.read[0], in), .makes = box_in(r.made, made)});
    }
  }

  void start_forward(const operands& x, parameters& w, tensor& y) override {
    if (!parts_.empty()) parts_[0].forward(*x[0], w[0], this->bias(w), y);
  }
  void forward(const operands& x, parameters& w, tensor& y) override {
    if (parts_.empty()) return base::forward(x, w, y);
    for (std::size_t p = 1; p < parts_.size(); ++p) parts_[p].forward(*x[0], w[0], this->bias(w), y);
  }

 private:
  static picture_box box_in(const block& of, const block& part) {
    const std::size_t last = part.rank() - 1;
    auto along = [&](std::size_t d) { return share{.first = part[d].first - of[d].first, .count = part[d].count}; };
    return {.depth = last > 3 ? along(last - 2) : share{.first = 0, .count = 1}, .height = along(last - 1), .width = along(last)};
  }

  std::vector<typename Backend::convolution_part> parts_{};
};

}  // namespace tutti
