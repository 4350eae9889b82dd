#pragma once
// Starts ranks of which one does something wrong, and collects what they say.
#include <cstdio>
#include <set>
#include <sstream>
#include <string>

#include <tutti/base/error.hpp>

#include "../ranks.hpp"
#include "../unhurried.hpp"

namespace faults {

using tutti::format;

struct report {
  ranks::ended ended;
  std::set<int> told;             // ranks that said something
  std::set<std::string> sentences;  // what they said, without who said it
};

inline report with_fault(const std::string& fault, int ranks, int culprit, const char* link, const char* count = "1000",
                  const char* deadline = "60") {
  report r;
  r.ended = ranks::start({FAULTS_PROGRAM, "--ranks", std::to_string(ranks), fault, std::to_string(culprit), count},
                         {{"TUTTI_LINK", link}, {"TUTTI_DEADLINE", deadline}, {"TUTTI_GRACE", "3"}, {"UCX_LOG_LEVEL", "fatal"}}, 60);
  std::istringstream lines(r.ended.output);
  for (std::string line; std::getline(lines, line);) {
    int rank = -1, used = 0;
    if (std::sscanf(line.c_str(), "rank %d: %n", &rank, &used) == 1 && used > 0) {
      r.told.insert(rank);
      r.sentences.insert(line.substr(static_cast<std::size_t>(used)));
    }
  }
  return r;
}

/// The same with a deadline of some seconds, and with longer ones until `says(report, deadline)`.
template <class Says>
report with_deadline(const std::string& fault, int ranks, int culprit, const char* link, const char* count, double seconds, Says says) {
  std::string deadline;
  return tests::unhurried(seconds, [&](double s) {
    deadline = format("%g", s);
    return with_fault(fault, ranks, culprit, link, count, deadline.c_str());
  }, [&](const report& r) { return says(r, deadline); });
}

inline std::set<int> all_but(int ranks, int culprit) {
  std::set<int> s;
  for (int r = 0; r < ranks; ++r)
    if (r != culprit) s.insert(r);
  return s;
}

}  // namespace faults
