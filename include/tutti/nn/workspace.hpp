#pragma once
#include <cstddef>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>

namespace tutti {

/// Where a pass keeps a tensor: a number in its workspace.
using place = std::size_t;
inline constexpr place nowhere = static_cast<place>(-1);

/// The memory of a pass. Its parts ask for places first, each in a format; `make`
/// then makes all of them at once, where other ranks read what is sent as it lies.
template <class Backend>
class workspace {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;

  /// Both must outlive it.
  workspace(context& c, process_mesh& on) : context_(&c), on_(&on) {}

  place add(const format& f) {
    formats_.push_back(f);
    return formats_.size() - 1;
  }
  place add(const block& row_major) { return add(format::row_major(sizes_of(row_major))); }
  /// The same tensor row-major: in another place only where it does not lie so.
  place row_major(place p) { return formats_[p] == formats_[p].row_major() ? p : add(formats_[p].row_major()); }
  const format& format_of(place p) const { return formats_[p]; }

  void make() {
    // Parts begin where a vector load is aligned.
    constexpr std::size_t line = 64 / sizeof(element) > 0 ? 64 / sizeof(element) : 1;
    std::vector<std::size_t> begins;
    std::size_t all = 0;
    for (const format& f : formats_) {
      begins.push_back(all);
      all += (f.stored() + line - 1) / line * line;
    }
    memory_ = buffer<element>(on_->all(), all);
    for (place p = 0; p < formats_.size(); ++p) tensors_.emplace_back(*context_, formats_[p], memory_.data() + begins[p]);
  }

  tensor& operator[](place p) { return tensors_[p]; }
  span<element> elements(place p) { return tensors_[p].stored(); }

  void copy(place from, place into) {
    if (from != into && !elements(into).empty()) Backend::copy(*context_, tensors_[from], tensors_[into]);
  }
  void add(place from, place into) {
    if (!elements(into).empty()) Backend::add(*context_, tensors_[into], tensors_[from], tensors_[into]);
  }
  void clear(place p) {
    for (element& value : elements(p)) value = element{};
  }

  /// What `make` took.
  std::size_t bytes() const { return memory_.size() * sizeof(element); }

 private:
  context* context_;
  process_mesh* on_;
  std::vector<format> formats_{};
  buffer<element> memory_{};
  std::vector<tensor> tensors_{};
};

}  // namespace tutti
