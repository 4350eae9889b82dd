#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <tutti/mesh/move_bill.hpp>

namespace tutti {

/// As in `1.5 KiB`.
inline std::string bytes_text(std::size_t bytes) {
  if (bytes < 1024) return format("%zu B", bytes);
  const double n = static_cast<double>(bytes);
  if (bytes < std::size_t{1} << 20) return format("%.1f KiB", n / 1024);
  return format("%.1f MiB", n / (1024.0 * 1024));
}

/// Why a tensor is moved, which `what` names, as in `its operand is needed with all batch`.
inline std::string reason_of(const move& m, const std::string& what, const shape& whole, const mesh& on) {
  auto dimension = [&](int d) { return whole[static_cast<std::size_t>(d)].what.text(); };
  const std::string axis = on[m.axis].what.text();
  switch (m.what) {
    case move_kind::all_gather: return what + " is needed with all " + dimension(m.from);
    case move_kind::all_to_all: return what + " is needed with all " + dimension(m.from) + ", and cut by " + dimension(m.to);
    case move_kind::all_reduce: return what + " is a sum over " + axis + ", needed whole";
    case move_kind::reduce_scatter: return what + " is a sum over " + axis + ", needed cut by " + dimension(m.to);
    case move_kind::slice: return "of " + what + " a part of " + dimension(m.to) + " is needed";
    case move_kind::keep_on_first:
    case move_kind::pad: return what + " is to be a sum over " + axis;
  }
  return {};
}

/// In words, what moves a tensor makes one after the other from where it lies: over which
/// axis each is, the bytes of the rank that sends most in it where all are on one host
/// (rank 0 where none is named), and why it is there; then what is sent in all, and the
/// memory of the rank that needs most.
inline std::string explain(const std::vector<move>& moves, const shape& whole, const placement& from, const mesh& on, std::size_t element) {
  std::vector<move_bill> by_rank;
  for (rank r{0}; r.value < on.size(); ++r.value) by_rank.push_back(bill(moves, whole, from, on, r, element, chosen_by_model{on, {}}));
  auto most = [&](auto bytes) {
    return static_cast<std::size_t>(
        std::max_element(by_rank.begin(), by_rank.end(), [&](const move_bill& a, const move_bill& b) { return bytes(a) < bytes(b); }) -
        by_rank.begin());
  };
  auto named = [](std::size_t r) { return r > 0 ? format(" by rank %zu", r) : std::string(); };

  std::string text = text_of(whole, from, on) + " → " + text_of(whole, after(from, moves), on) + format(" on %s\n", on.axes() > 0 ? on.text().c_str() : "one rank");
  for (std::size_t i = 0; i < moves.size(); ++i) {
    const std::size_t r = most([&](const move_bill& b) { return b.moves[i].bytes; });
    text += format("  %s, %s%s: %s\n", text_of(moves[i], whole, on).c_str(), bytes_text(by_rank[r].moves[i].bytes).c_str(), named(r).c_str(),
                   reason_of(moves[i], "it", whole, on).c_str());
  }
  const std::size_t r = most([](const move_bill& b) { return b.sent().bytes; });
  traffic all;
  for (const move_bill& b : by_rank) all += b.sent();
  return text + format("in all: %s in %zu messages%s, all ranks together %zu B; %s of memory\n", bytes_text(by_rank[r].sent().bytes).c_str(),
                       static_cast<std::size_t>(by_rank[r].sent().messages), named(r).c_str(), static_cast<std::size_t>(all.bytes),
                       bytes_text(by_rank[most([](const move_bill& b) { return b.memory; })].memory).c_str());
}

}  // namespace tutti
