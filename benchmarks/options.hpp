#pragma once
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <vector>

#include <tutti/launch/arguments.hpp>
#include <tutti/schedule/repertoire.hpp>

#include "operands.hpp"
#include "problem.hpp"

namespace benchmarks {

/// "8,4K,1M" as numbers of bytes, in powers of 1024.
inline std::vector<std::size_t> parse_sizes(const std::string& text) {
  std::vector<std::size_t> sizes;
  for (std::size_t at = 0; at <= text.size();) {
    const std::string word = text.substr(at, text.find(',', at) - at);
    at += word.size() + 1;
    char* end = nullptr;
    errno = 0;
    unsigned long long bytes = std::strtoull(word.c_str(), &end, 10);
    const char* letters = "KMG";
    const char* letter = *end != '\0' ? std::strchr(letters, *end) : nullptr;
    const int shift = letter ? 10 * static_cast<int>(letter - letters + 1) : 0;
    if (word.empty() || word[0] < '0' || word[0] > '9' || errno != 0 || end[letter ? 1 : 0] != '\0' || bytes > ~0ull >> shift)
      throw tutti::error(tutti::errc::invalid_argument,
                         tutti::format("--sizes: '%s' is not a number of bytes (4096, 64K, 1M)", word.c_str()));
    sizes.push_back(static_cast<std::size_t>(bytes << shift));
  }
  return sizes;
}

/// What the command line says.
struct perf_options {
  std::string what, type = "float", operation = "sum", algorithm = "automatic", buffers = "private", sizes;
  std::size_t least = 8, most = std::size_t{64} << 20, factor = 2;
  int iterations = 0;
  double seconds = 0.2;
  bool json = false;
  std::string tune;  ///< a file to be written; nothing else is done then

  collective kind() const {
    for (collective c : tutti::every_collective)
      if (what == tutti::name_of(c)) return c;
    throw tutti::error(tutti::errc::invalid_argument, what + " is no collective");
  }

  /// The algorithms to be measured, one after the other.
  std::vector<tutti::algorithm> algorithms() const {
    std::vector<tutti::algorithm> there;
    std::string names;
    for (const tutti::repertoire_entry& entry : tutti::repertoire)
      if (entry.what == kind()) {
        there.push_back(entry.how);
        names += (names.empty() ? "" : ", ") + std::string(tutti::name_of(entry.how));
      }
    if (algorithm == "all") return there;
    const auto how = tutti::parse_algorithm(algorithm);
    if (how && (*how == tutti::algorithm::automatic || tutti::find_entry(kind(), *how))) return {*how};
    throw tutti::error(tutti::errc::invalid_argument, tutti::format("--algorithm: '%s' is no algorithm of %s: there are %s, automatic and all",
                                                                    algorithm.c_str(), what.c_str(), names.c_str()));
  }

  /// What is to be measured, one after the other.
  std::vector<problem> problems(int ranks, std::size_t element) const {
    if (!sizes.empty()) return benchmarks::problems(kind(), ranks, element, parse_sizes(sizes));
    return benchmarks::problems(kind(), ranks, element, least, most, factor);
  }

  void check() const {
    algorithms();
    if (!sizes.empty()) parse_sizes(sizes);
    if (least > most)
      throw tutti::error(tutti::errc::invalid_argument, tutti::format("--min %zu is more than --max %zu", least, most));
  }
};

/// The flags, as they are called by tutti-perf, which passes its command line,
/// and by its peers.
inline tutti::arguments command_line(const char* program, perf_options& o, int argc = 0, char** argv = nullptr) {
  const bool ours = argv != nullptr;
  // Of a tuning, all collectives are measured.
  for (int i = 1; ours && i < argc; ++i)
    if (std::strncmp(argv[i], "--tune", 6) == 0) o.what = tutti::name_of(collective::all_reduce);
  tutti::arguments line(program, "Times a collective over a range of sizes and checks every result.");
  std::vector<std::string> collectives, types(std::begin(type_names), std::end(type_names)),
      operations(std::begin(operation_names), std::end(operation_names));
  for (collective c : tutti::every_collective) collectives.push_back(tutti::name_of(c));
  line.word("OP", o.what, "the collective", collectives);
  line.bytes("--min", o.least, "BYTES", "the least size");
  line.bytes("--max", o.most, "BYTES", "the largest size");
  line.value("--factor", o.factor, "F", "from one size to the next", std::size_t{2}, std::size_t{1} << 30);
  line.value("--sizes", o.sizes, "LIST", "these sizes instead, with commas between them");
  line.value("--algorithm", o.algorithm, "A", "a name, automatic, or all one after the other, * beside the plan's choice");
  line.choice("--type", o.type, types, "of the elements");
  line.choice("--op", o.operation, operations, "that reduces");
  line.value("--iterations", o.iterations, "I", "timed calls a line; 0: as many as take --seconds", 0, 1000000);
  line.value("--seconds", o.seconds, "S", "of timed calls a line, but at least 10", 0, 3600);
  if (ours) {
    line.choice("--buffers", o.buffers, {"private", "library"}, "the program's own, or those that neighbours read in place");
    line.value("--tune", o.tune, "FILE", "measures all algorithms, writes what the links cost, for TUTTI_TUNING; needs no OP");
  }
  line.flag("--json", o.json, "one JSON object a line; the header goes to standard error");
  return line;
}

}  // namespace benchmarks
