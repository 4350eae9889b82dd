#pragma once
#include <cstddef>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/mesh/lifetimes.hpp>

namespace tutti {

/// Where a pass keeps a tensor: a number in its workspace.
using workspace_place = std::size_t;
inline constexpr workspace_place nowhere = static_cast<workspace_place>(-1);

/// The memory of a pass. Its parts ask for places first, each in a format, and say at
/// which steps they use them; `make` then makes all of them at once, where other ranks
/// read what is sent as it lies. What is used at different steps shares memory.
template <class Backend>
class workspace {
 public:
  using element = typename Backend::element;
  using context = typename Backend::context;
  using format = typename Backend::format;
  using tensor = typename Backend::tensor;

  /// Both must outlive it.
  workspace(context& c, process_mesh& on) : context_(&c), on_(&on) {}

  /// The step that what follows is about.
  void at(std::size_t step) { step_ = step; }

  workspace_place add(const format& f) {
    pieces_.push_back({.what = f, .first = step_, .last = step_});
    return pieces_.size() - 1;
  }
  workspace_place add(const block& row_major) { return add(format::row_major(sizes_of(row_major))); }
  /// What is there is used at this step, from the first one that did until the last one that does.
  void use(workspace_place p) {
    piece& used = pieces_[p];
    if (step_ < used.first) used.first = step_;
    if (step_ > used.last) used.last = step_;
  }
  /// It is there at all steps.
  void keep(workspace_place p) { pieces_[p].first = 0, pieces_[p].last = static_cast<std::size_t>(-1); }
  /// The same tensor row-major: in another place only where it does not lie so. Uses both.
  workspace_place row_major(workspace_place p) {
    use(p);
    return format_of(p) == format_of(p).row_major() ? p : add(format_of(p).row_major());
  }
  const format& format_of(workspace_place p) const { return pieces_[p].what; }

  void make() {
    // Parts begin where a vector load is aligned.
    constexpr std::size_t line = 64 / sizeof(element) > 0 ? 64 / sizeof(element) : 1;
    std::vector<lifetime> needed;
    for (const piece& p : pieces_)
      needed.push_back({.size = (p.what.stored() + line - 1) / line * line, .from = p.first, .to = p.last});
    const memory_layout laid = lay_out(needed);
    memory_ = buffer<element>(on_->all(), laid.size);
    for (workspace_place p = 0; p < pieces_.size(); ++p) tensors_.emplace_back(*context_, pieces_[p].what, memory_.data() + laid.begins[p]);
  }

  tensor& operator[](workspace_place p) { return tensors_[p]; }
  span<element> elements(workspace_place p) { return tensors_[p].stored(); }

  void copy(workspace_place from, workspace_place into) {
    if (from != into && !elements(into).empty()) Backend::copy(*context_, tensors_[from], tensors_[into]);
  }
  void add(workspace_place from, workspace_place into) {
    if (!elements(into).empty()) Backend::add(*context_, tensors_[into], tensors_[from], tensors_[into]);
  }
  void clear(workspace_place p) {
    for (element& value : elements(p)) value = element{};
  }

  /// What `make` took.
  std::size_t bytes() const { return memory_.size() * sizeof(element); }

 private:
  struct piece {
    format what;
    std::size_t first, last;  // steps that use it
  };

  context* context_;
  process_mesh* on_;
  std::size_t step_ = 0;
  std::vector<piece> pieces_{};
  buffer<element> memory_{};
  std::vector<tensor> tensors_{};
};

}  // namespace tutti
