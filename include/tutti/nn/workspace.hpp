#pragma once
#include <cstddef>
#include <utility>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/mesh/block.hpp>
#include <tutti/mesh/process_mesh.hpp>
#include <tutti/mesh/lifetimes.hpp>

namespace tutti {

// For backends of devices: nn/device_moves.hpp.
template <class Backend>
class device_mover;
template <class Backend>
class device_resharding;
template <class Backend>
class device_halo;

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
  using space = typename Backend::space;

  /// All must outlive it. `groups`: of ranks on devices, for what is moved between these.
  workspace(context& c, process_mesh& on, typename Backend::groups* groups = nullptr) : context_(&c), on_(&on), groups_(groups) {}

  /// The step that what follows is about.
  void at(std::size_t step) { step_ = step; }

  workspace_place add(const format& f) {
    pieces_.push_back({.what = f, .first = step_, .last = step_});
    return pieces_.size() - 1;
  }
  workspace_place add(const block& b) { return add(format::native(sizes_of(b))); }
  /// What is there is used at this step, from the first one that did until the last one that does.
  void use(workspace_place p) {
    piece& used = pieces_[p];
    if (step_ < used.first) used.first = step_;
    if (step_ > used.last) used.last = step_;
  }
  /// It is there at all steps.
  void keep(workspace_place p) { pieces_[p].first = 0, pieces_[p].last = static_cast<std::size_t>(-1); }
  /// The same tensor as ranks send it: in another place only where it does not lie so. Uses both.
  workspace_place row_major(workspace_place p) {
    use(p);
    return format_of(p) == sent(format_of(p)) ? p : add(sent(format_of(p)));
  }
  /// In which format ranks send what is in another: row-major. What a device has is made so
  /// in memory beside it.
  static format sent(const format& f) {
    if constexpr (on_host<space>) return f.row_major();
    else return f;
  }
  const format& format_of(workspace_place p) const { return pieces_[p].what; }

  void make() {
    // Parts begin where a vector load is aligned.
    constexpr std::size_t line = 64 / sizeof(element) > 0 ? 64 / sizeof(element) : 1;
    std::vector<lifetime> needed;
    for (const piece& p : pieces_)
      needed.push_back({.size = (p.what.stored() + line - 1) / line * line, .from = p.first, .to = p.last});
    const memory_layout laid = lay_out(needed);
    if constexpr (on_host<space>) memory_ = buffer<element>(on_->all(), laid.size);
    else memory_ = buffer<element, space>(laid.size), rows_.resize(pieces_.size());
    for (workspace_place p = 0; p < pieces_.size(); ++p) tensors_.emplace_back(*context_, pieces_[p].what, memory_.data() + laid.begins[p]);
  }

  tensor& operator[](workspace_place p) { return tensors_[p]; }
  span<element, space> elements(workspace_place p) { return tensors_[p].stored(); }

  /// What is at a place that `row_major` or `sent` gave, for ranks to send; and where they
  /// write what is to be there, once `arrived` was told.
  span<const element, space> seen(workspace_place p) {
    if constexpr (on_host<space>) {
      return elements(p);
    } else {
      const span<element, space> here = rows(p);
      if (!here.empty()) Backend::line_up(*context_, std::as_const(tensors_[p]), here);
      return {here.data(), here.size()};
    }
  }
  span<element, space> awaited(workspace_place p) {
    if constexpr (on_host<space>) return elements(p);
    else return rows(p);
  }
  void arrived(workspace_place p) {
    if constexpr (!on_host<space>)
      if (const span<element, space> here = rows(p); !here.empty()) Backend::arrange(*context_, span<const element, space>(here.data(), here.size()), tensors_[p]);
  }

  /// What moves tensors between devices.
  auto mover() {
    static_assert(!on_host<space>);
    return device_mover<Backend>(*context_, *groups_);
  }

  void copy(workspace_place from, workspace_place into) {
    if (from != into && !elements(into).empty()) Backend::copy(*context_, tensors_[from], tensors_[into]);
  }
  void add(workspace_place from, workspace_place into) {
    if (!elements(into).empty()) Backend::add(*context_, tensors_[into], tensors_[from], tensors_[into]);
  }
  void clear(workspace_place p) {
    Backend::fill(*context_, elements(p), element{});
  }

  /// What `make` took.
  std::size_t bytes() const { return memory_.size() * sizeof(element); }

 private:
  struct piece {
    format what;
    std::size_t first, last;  // steps that use it
  };

  // Of what a device has, as it is sent.
  span<element, space> rows(workspace_place p) {
    if (rows_[p].size() < format_of(p).stored()) rows_[p] = buffer<element, space>(format_of(p).stored());
    return rows_[p];
  }

  context* context_;
  process_mesh* on_;
  typename Backend::groups* groups_;
  std::size_t step_ = 0;
  std::vector<piece> pieces_{};
  buffer<element, space> memory_{};
  std::vector<buffer<element, space>> rows_{};  // none where the memory is the host's
  std::vector<tensor> tensors_{};
};

}  // namespace tutti
