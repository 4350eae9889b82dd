#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <tutti/base/log.hpp>

namespace tutti {

/// Every name that Tutti, or one of its scripts, reads from the environment.
inline constexpr std::string_view environment_names[] = {
    "TUTTI_ALGORITHM", "TUTTI_DEADLINE", "TUTTI_GRACE", "TUTTI_JOIN_TIMEOUT",
    "TUTTI_LINK",      "TUTTI_LOG",      "TUTTI_MNIST",   "TUTTI_NCCL",
    "TUTTI_TAG_OUTPUT", "TUTTI_TRACE", "TUTTI_TUNING", "TUTTI_WAITING",
};

namespace detail {

/// How many characters must be put in, taken out or replaced to make one text
/// of the other.
inline std::size_t edits_between(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

/// A sentence for each name in `variables` (`NAME=value`, a null at the end)
/// that begins with TUTTI_ and says nothing to Tutti, with the nearest that does
/// where that is near. Names that begin with
/// TUTTI_TEST_ are the tests'.
inline std::vector<std::string> unknown_names(const char* const* variables) {
  std::vector<std::string> sentences;
  for (; variables && *variables; ++variables) {
    const std::string_view whole = *variables, name = whole.substr(0, whole.find('='));
    if (name.find("TUTTI_") != 0 || name.find("TUTTI_TEST_") == 0) continue;
    std::string_view nearest = environment_names[0];
    for (std::string_view known : environment_names)
      if (edits_between(name, known) < edits_between(name, nearest)) nearest = known;
    if (nearest == name) continue;
    std::string sentence = format("%.*s in the environment is no name that Tutti knows", static_cast<int>(name.size()), name.data());
    // Of what follows TUTTI_, which all have, half may differ; beyond that it is another word.
    if (2 * edits_between(name, nearest) <= name.size() - 6)
      sentence += format("; the nearest is %.*s", static_cast<int>(nearest.size()), nearest.data());
    sentences.push_back(sentence);
  }
  return sentences;
}

}  // namespace detail

/// Warns of names in the environment that look like Tutti's and are not: once a
/// process.
inline void warn_of_unknown_names() {
  static std::atomic<bool> warned{false};
  if (warned.exchange(true)) return;
  for (const std::string& sentence : detail::unknown_names(environ)) log(log_level::warn, sentence);
}

}  // namespace tutti
