#pragma once
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <tutti/base/span.hpp>
#include <tutti/mesh/mesh.hpp>

namespace tutti {

/// Whether `text` is of the form of `pattern`, in which each `*` stands for any
/// run of characters.
constexpr bool matches(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, tried = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      tried = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p, ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++tried;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

/// One line of a layout: a dimension, in the layers that the pattern names, is
/// cut along these axes, the first one outermost.
struct layout_rule {
  name pattern = "*";
  name dimension = {};
  std::array<name, mesh::capacity> axes = {};
  std::size_t cuts = 0;  ///< how many axes

  constexpr span<const name> along() const { return {axes.data(), cuts}; }

  /// Whether it says where one tensor lies, what a layer makes, and not how layers' loops are cut.
  constexpr bool of_output() const { return pattern.view().ends_with(output_suffix); }
  constexpr std::string_view layers() const {
    return pattern.view().substr(0, pattern.view().size() - (of_output() ? output_suffix.size() : 0));
  }

  /// As it is read: `conv*/filters:model`.
  constexpr operator sentence() const {  // NOLINT: what it is in words
    sentence all;
    if (!(pattern == name("*"))) all.put({"{}/", {pattern}});
    all.put({"{}:", {dimension}});
    for (std::size_t i = 0; i < cuts; ++i) all.put({i > 0 ? "+{}" : "{}", {axes[i]}});
    return all;
  }

  static constexpr std::string_view output_suffix = ".output";
};

/// Which dimension goes to which axes of a mesh: `batch:data`, confined to some
/// layers as in `conv*/filters:model`, on several axes as in `batch:pod+data`, on
/// none as in `dense2/units:`. Rules are told apart by commas, and the last one
/// that names a layer's dimension holds. With `.output` behind the layer's name a rule
/// is for the tensor that it makes, as in `conv2.output/filters:model`: it lies so
/// until it is used, whatever cuts the layers before and after.
class layout {
 public:
  constexpr layout() = default;
  /// Throws `invalid_argument` where the text is no list of rules.
  constexpr layout(std::string_view text) {  // NOLINT: a literal is a layout
    while (!text.empty() && refused_.empty()) {
      const std::size_t comma = text.find(',');
      add(text.substr(0, comma));
      if (comma == text.size() - 1) refuse(text, "ends in a comma: leave it out, or say one rule more");
      text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    }
  }
  constexpr layout(const char* text) : layout(std::string_view(text)) {}  // NOLINT: a literal is a layout

  /// Why this constant cannot be; empty where it can.
  constexpr const sentence& refused() const { return refused_; }
  constexpr const std::vector<layout_rule>& rules() const { return rules_; }

  /// As it is read: `batch:data,conv*/filters:model`.
  std::string text() const {
    std::string all;
    for (const layout_rule& rule : rules_) (all += all.empty() ? "" : ",") += sentence(rule).view();
    return all;
  }

  /// One rule more, which holds where it and others name the same.
  constexpr void add(const layout_rule& rule) { rules_.push_back(rule); }

  /// The axes that cut a dimension of a layer; null where no rule names it.
  constexpr const layout_rule* rule_for(std::string_view layer, std::string_view dimension) const { return last_rule(layer, dimension, false); }
  /// The axes that cut a dimension of what a layer makes, wherever that is used.
  constexpr const layout_rule* rule_for_output(std::string_view layer, std::string_view dimension) const { return last_rule(layer, dimension, true); }

 private:
  constexpr const layout_rule* last_rule(std::string_view layer, std::string_view dimension, bool output) const {
    for (std::size_t i = rules_.size(); i-- > 0;)
      if (rules_[i].of_output() == output && rules_[i].dimension.view() == dimension && matches(rules_[i].layers(), layer)) return &rules_[i];
    return nullptr;
  }

  constexpr void add(std::string_view text) {
    const std::string_view whole = text;
    layout_rule rule;
    if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
      if (slash == 0) return refuse(whole, "has nothing before the '/': layers stand there, as in 'conv*/filters:model'");
      rule.pattern = name(text.substr(0, slash));
      text = text.substr(slash + 1);
    }
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos || colon == 0) return refuse(whole, "is no rule such as 'batch:data' or 'conv*/filters:model'");
    rule.dimension = name(text.substr(0, colon));
    for (text = text.substr(colon + 1); !text.empty();) {
      const std::size_t plus = text.find('+');
      const std::string_view axis = text.substr(0, plus);
      if (axis.empty() || plus == text.size() - 1) return refuse(whole, "has a '+' with no axis beside it: leave it out, or say one, as in 'batch:pod+data'");
      for (const name& other : rule.along())
        if (other.view() == axis) return refuse(whole, "names an axis twice: once is all that it can cut");
      if (rule.cuts == mesh::capacity) return refuse(whole, {"names more axes than a mesh can have, which is {}", {mesh::capacity}});
      rule.axes[rule.cuts++] = name(axis);
      text = plus == std::string_view::npos ? std::string_view{} : text.substr(plus + 1);
    }
    rules_.push_back(rule);
  }

  constexpr void refuse(std::string_view text, const sentence& why) {
    tutti::refuse(refused_, "the layout '{}' {}", {text, why});
  }

  std::vector<layout_rule> rules_;
  sentence refused_{};
};

}  // namespace tutti
