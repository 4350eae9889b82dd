#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/explain.hpp>

namespace tutti {

/// Where a rank's part of a tensor stands in a square that is the whole: its area is
/// the part's, and parts that have nothing in common do not overlap.
struct drawn_part {
  double left = 0, top = 0, right = 1, bottom = 1;

  constexpr double area() const { return (right - left) * (bottom - top); }
  friend constexpr bool operator==(const drawn_part&, const drawn_part&) = default;
};

/// Every other dimension runs down, the others across: of pictures batch and, inside,
/// height down, channels and, inside, width across; with depth, that comes before height
/// and runs down, height across, width down.
constexpr drawn_part drawn(const block& part, const shape& whole) {
  drawn_part p;
  for (std::size_t d = 0; d < whole.rank(); ++d) {
    if (whole[d].size == 0) continue;
    double &low = d % 2 == 0 ? p.top : p.left, &high = d % 2 == 0 ? p.bottom : p.right;
    const double length = high - low, size = static_cast<double>(whole[d].size);
    high = low + length * static_cast<double>(part[d].end()) / size;
    low = low + length * static_cast<double>(part[d].first) / size;
  }
  return p;
}

namespace detail {

/// The ranks of each copy of a tensor: those that share it out among themselves.
inline std::vector<std::vector<rank>> copies(const placement& at, const mesh& on) {
  unsigned cuts = 0;
  for (int axis = 0; axis < on.axes(); ++axis)
    if (at.dimension_on(axis) >= 0) cuts |= 1u << axis;
  std::vector<std::vector<rank>> all;
  for (rank r{0}; r.value < on.size(); ++r.value)
    if (const std::vector<rank> ranks = on.beside(r, cuts); ranks.front() == r) all.push_back(ranks);
  return all;
}

inline std::string xml_text(const std::string& text) {
  std::string safe;
  for (char c : text) safe += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return safe;
}

class picture_of_plan {
 public:
  picture_of_plan(const operation_list& net, const network_plan& plan, const mesh& on, const step_bill& b)
      : net_(net), plan_(plan), on_(on), bill_(b) {
    legend();
    heads();
    row("input", "", net.shape_of(0), plan.tensors[0].lies, nullptr);
    for (std::size_t i = 0; i < net.all().size();) {
      std::size_t last = i;
      while (last + 1 < net.all().size() && joins(last + 1)) ++last;
      exchanges(i, last);
      std::string label = net.all()[i].label.text(), others;
      if (last > i) label += (last > i + 1 ? " … " : ", ") + net.all()[last].label.text();
      const parameter_plan* weights = nullptr;
      for (std::size_t k = i; k <= last; ++k) {
        for (std::size_t input : net.all()[k].inputs)
          if (input != k) others += (net.all()[k].inputs.size() > 1 ? " + " : " of ") + maker_of(input);
        if (!weights && !plan.operations[k].parameters.empty()) weights = &plan.operations[k].parameters[0];
      }
      row(label, others, net.shape_of(last + 1), plan.tensors[last + 1].lies, weights);
      i = last + 1;
    }
    ending();
  }

  std::string result() const {
    const int height = y_ + margin;
    return format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
                  "font-size=\"12\">\n"
                  "<style>.paper{fill:#fff}.ink{fill:#222}.pale{fill:#777}.line{stroke:#999;fill:none}.mark{fill:#000}"
                  "@media(prefers-color-scheme:dark){.paper{fill:#191919}.ink{fill:#ddd}.pale{fill:#999}}</style>\n"
                  "<rect class=\"paper\" width=\"100%%\" height=\"100%%\"/>\n",
                  width, height, width, height) +
           body_ + "</svg>\n";
  }

 private:
  static constexpr int margin = 20, values_at = 190, values_wide = 400, weights_at = 640, weights_wide = 220, width = 880, tall = 56, line = 15,
                       gap = 6;

  std::string maker_of(std::size_t tensor) const { return tensor == 0 ? "input" : net_.all()[tensor - 1].label.text(); }
  void text(int x, int y, const char* kind, const std::string& what) {
    body_ += format("<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, kind, xml_text(what).c_str());
  }
  // Far from each other, also for neighbours.
  std::string colour(rank r) const { return format("hsl(%d 60%% 65%%)", r.value * 360 / on_.size()); }

  void legend() {
    text(margin, y_ += margin, "ink", "mesh " + (on_.axes() > 0 ? on_.text() : "of one rank") + ": who holds what, and what is sent" +
                                         (bill_.by_rank.size() < 2 ? "" : " by the rank that sends most (rank 0 where none is named)"));
    y_ += 10;
    const int each = 200, in_line = (width - 2 * margin) / each;
    for (rank r{0}; r.value < on_.size(); ++r.value) {
      const int x = margin + r.value % in_line * each, y = y_ + r.value / in_line * 18;
      std::string where;
      for (int axis = 0; axis < on_.axes(); ++axis) where += format("%s%s %d", axis > 0 ? ", " : " · ", on_[axis].what.text().c_str(), on_.coordinate(r, axis));
      body_ += format("<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n", x, y, colour(r).c_str());
      text(x + 18, y + 10, "ink", format("rank %d", r.value) + where);
    }
    y_ += (on_.size() + in_line - 1) / in_line * 18 + 14;
  }
  void heads() {
    text(margin, y_, "pale", "layer");
    text(values_at, y_, "pale", "values: batch, height ↓ · channels, width →; a square a copy");
    text(weights_at, y_, "pale", "weights: filters ↓ · channels →");
    y_ += gap;
  }

  // A layer that leaves everything where it is stands in the row of the one before.
  bool joins(std::size_t i) const {
    const tensor_operation& o = net_.all()[i];
    const bool follows = std::find(o.inputs.begin(), o.inputs.end(), i) != o.inputs.end() && !contracts(o.what);
    for (const bill_item& item : bill_.items)
      if (const cause why = item.what.why; item.what.operation == i && (item.what.is_move() || why == cause::halo || why == cause::halo_gradient))
        return false;
    return follows && alike(i, i + 1);
  }
  bool alike(std::size_t tensor, std::size_t other) const {
    const placement &a = plan_.tensors[tensor].lies, &b = plan_.tensors[other].lies;
    for (rank r{0}; r.value < on_.size(); ++r.value)
      if (!(drawn(block_of(net_.shape_of(tensor), a, on_, r), net_.shape_of(tensor)) ==
            drawn(block_of(net_.shape_of(other), b, on_, r), net_.shape_of(other))))
        return false;
    return true;
  }

  void row(const std::string& label, const std::string& others, const shape& whole, const placement& lies, const parameter_plan* weights) {
    y_ += gap;
    text(margin, y_ + 14, "ink", label);
    std::string sizes;
    for (const dimension& d : whole) sizes += format("%s%zu", sizes.empty() ? "" : " × ", d.size);
    text(margin, y_ + 29, "pale", sizes);
    text(margin, y_ + 44, "pale", (lies.any_partial() ? "each a summand" : "") + others);
    cells("values", whole, lies, values_at, values_wide);
    if (weights) cells("weights", weights->dims, weights->at, weights_at, weights_wide);
    y_ += tall;
  }

  void cells(const char* kind, const shape& whole, const placement& at, int x, int room) {
    const std::vector<std::vector<rank>> all = copies(at, on_);
    const int apart = 8, number = static_cast<int>(all.size());
    const int wide = std::max(4, std::min(96, (room - (number - 1) * apart) / number));
    for (const std::vector<rank>& ranks : all) {
      body_ += format("<g class=\"%s\">", kind);
      for (rank r : ranks) {
        const drawn_part p = drawn(block_of(whole, at, on_, r), whole);
        const double w = (p.right - p.left) * wide, h = (p.bottom - p.top) * tall, left = x + p.left * wide, top = y_ + p.top * tall;
        body_ += format("<rect x=\"%.3f\" y=\"%.3f\" width=\"%.3f\" height=\"%.3f\" fill=\"%s\"/>", left, top, w, h, colour(r).c_str());
        if (w >= 10 && h >= 9)
          body_ += format("<text x=\"%.1f\" y=\"%.1f\" class=\"mark\" font-size=\"9\" text-anchor=\"middle\">%d</text>", left + w / 2,
                          top + h / 2 + 3, r.value);
      }
      body_ += format("<path d=\"M%d %dh%dv%dh%dz\" class=\"line\"%s/></g>\n", x, y_, wide, tall, -wide,
                      at.any_partial() ? " stroke-dasharray=\"3 3\"" : "");
      x += wide + apart;
    }
  }

  // Of the layers of a row: what comes down, and what goes up.
  void exchanges(std::size_t first, std::size_t last) {
    int down = y_ + gap, up = down;
    for (const bill_item& item : bill_.items) {
      const step_exchange& e = item.what;
      if (e.operation < first || e.operation > last || e.why == cause::parameter_gradient || e.why == cause::loss) continue;
      if (e.is_move() && is_local(e.by.what)) continue;
      const bool back = is_backward(e.why);
      int& y = back ? up : down;
      text(back ? values_at + values_wide / 2 + 60 : margin + 10, y += line, "ink",
           (back ? "↑ " : "↓ ") + text_of(e, net_, plan_, on_) + " · " + sent_text(item));
    }
    if (std::max(down, up) > y_ + gap) y_ = std::max(down, up);
  }

  void ending() {
    y_ += 2 * gap;
    for (const bill_item& item : bill_.items) {
      if (item.what.why != cause::parameter_gradient && item.what.why != cause::loss) continue;
      text(margin + 10, y_ += line, "ink",
           (item.what.why == cause::loss ? "loss: " : "gradients: ") + text_of(item.what, net_, plan_, on_) + " · " +
               sent_text(item) + ", " + reason_of(item, net_, on_));
    }
    text(margin + 10, y_ += line + gap, "ink", "in all, a step: " + total_text(bill_));
  }

  const operation_list& net_;
  const network_plan& plan_;
  const mesh& on_;
  const step_bill& bill_;
  std::string body_{};
  int y_ = 0;
};

}  // namespace detail

/// An SVG of a plan: a row a layer (and those behind it that change nothing about it),
/// in it the tensor that it makes and its weights, a square for each copy in which every
/// rank's part has its colour; between rows what is sent, by the bill's rank or, of a bill of all ranks
/// (`bill_of_busiest`), by the one that sends most, which is named; forward (↓)
/// and backward (↑). A dashed square is a summand. No scripts; light and dark.
inline std::string picture(const operation_list& net, const network_plan& plan, const mesh& on, const step_bill& b) {
  return detail::picture_of_plan(net, plan, on, b).result();
}

}  // namespace tutti
