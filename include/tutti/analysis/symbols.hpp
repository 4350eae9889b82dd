#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include <tutti/analysis/step_graph.hpp>
#include <tutti/schedule/contract.hpp>

namespace tutti {

/// What chunks hold in a symbolic run where operands must stay in rank order:
/// the fold of ranks first … last − 1, nothing where they are equal.
class ordered_symbols {
 public:
  constexpr explicit ordered_symbols(std::size_t places) : held_(places, operands{}) {}

  constexpr bool holds(std::size_t i) const { return held_[i].first != held_[i].last; }
  constexpr void start(std::size_t i, origin o) { held_[i] = {o.from.value, o.from.value + 1}; }
  constexpr void copy(std::size_t from, std::size_t to) { held_[to] = held_[from]; }
  constexpr flaw fold(std::size_t left, std::size_t right, std::size_t to) {
    const operands a = held_[left], b = held_[right];
    if (a.first < b.last && b.first < a.last) return flaw::twice;
    if (a.last != b.first) return flaw::out_of_order;
    held_[to] = {a.first, b.last};
    return flaw::none;
  }
  constexpr bool holds(std::size_t i, operands wanted) const { return held_[i] == wanted; }

 private:
  std::vector<operands> held_;
};

/// What chunks hold where operands may come in any order: a set of ranks. With
/// `again` a rank may come several times, as in a barrier.
class unordered_symbols {
 public:
  constexpr unordered_symbols(std::size_t places, int ranks, bool again = false)
      : words_((static_cast<std::size_t>(ranks) + 63) / 64), held_(places * words_, 0), again_(again) {}

  constexpr bool holds(std::size_t i) const {
    for (std::size_t w = 0; w < words_; ++w)
      if (held_[i * words_ + w] != 0) return true;
    return false;
  }
  constexpr void start(std::size_t i, origin o) {
    for (std::size_t w = 0; w < words_; ++w) held_[i * words_ + w] = word(w, o.from.value, o.from.value + 1);
  }
  constexpr void copy(std::size_t from, std::size_t to) {
    for (std::size_t w = 0; w < words_; ++w) held_[to * words_ + w] = held_[from * words_ + w];
  }
  constexpr flaw fold(std::size_t left, std::size_t right, std::size_t to) {
    for (std::size_t w = 0; w < words_; ++w) {
      const std::uint64_t a = held_[left * words_ + w], b = held_[right * words_ + w];
      if (!again_ && (a & b) != 0) return flaw::twice;
      held_[to * words_ + w] = a | b;
    }
    return flaw::none;
  }
  constexpr bool holds(std::size_t i, operands wanted) const {
    for (std::size_t w = 0; w < words_; ++w)
      if (held_[i * words_ + w] != word(w, wanted.first, wanted.last)) return false;
    return true;
  }

 private:
  /// The w-th word of the set first … last − 1.
  constexpr std::uint64_t word(std::size_t w, int first, int last) const {
    auto below = [w](int n) {  // of 0 … n − 1
      const std::size_t low = 64 * w, end = static_cast<std::size_t>(n);
      return end <= low ? 0 : end >= low + 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << (end - low)) - 1;
    };
    return below(last) & ~below(first);
  }

  std::size_t words_;
  std::vector<std::uint64_t> held_;
  bool again_;
};

/// What chunks hold where nothing is reduced: one chunk of one rank, so that two
/// of them in each other's place are told apart. Nothing is folded.
class moved_symbols {
 public:
  constexpr explicit moved_symbols(std::size_t places) : held_(places, nothing) {}

  constexpr bool holds(std::size_t i) const { return held_[i] != nothing; }
  constexpr void start(std::size_t i, origin o) { held_[i] = o; }
  constexpr void copy(std::size_t from, std::size_t to) { held_[to] = held_[from]; }
  constexpr flaw fold(std::size_t, std::size_t, std::size_t) { return flaw::folded; }
  constexpr bool holds(std::size_t i, origin wanted) const { return held_[i] == wanted; }

 private:
  static constexpr origin nothing{.from = {-1}};
  std::vector<origin> held_;
};

}  // namespace tutti
