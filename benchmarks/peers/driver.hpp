#pragma once
#include <cstddef>
#include <cstdio>
#include <string>
#include <type_traits>

#include "../measure.hpp"
#include "../options.hpp"
#include "../report.hpp"

namespace benchmarks {

/// The exit code of a driver whose library lacks the collective, or the type.
inline constexpr int has_no_such_call = 77;

/// Whether every peer has the type of that name.
inline bool has_type(const std::string& name) {
  bool has = false;
  with_type(name, [&]<class T>(T) { has = std::is_arithmetic_v<T>; });
  return has;
}

inline void say_that_it_lacks(const char* program, const perf_options& options) {
  std::fprintf(stderr, "%s: there is no %s of %s\n", program, options.what.c_str(), options.type.c_str());
}

/// One rank of a peer's driver: its collectives by tutti-perf's method, on the
/// same operands and in private buffers, reported in the same lines.
///
/// A library says what it is (`version()`), how its ranks gather bytes
/// (`team()`), what it calls its algorithm, and how a problem is solved:
/// `call_for<T>(problem, operation)` makes what is called with input and output,
/// again and again with the same ones, so that what a program would set up once
/// is set up in the first call.
template <class Library>
class driver {
 public:
  driver(Library& library, const perf_options& options) : library_(library), options_(options) {
    timing_.iterations = options.iterations;
    timing_.seconds = options.seconds;
  }

  /// Returns the exit code: 1 where a result was wrong.
  int run() {
    auto& team = library_.team();
    if (team.rank() == 0) {
      std::fprintf(options_.json ? stderr : stdout, "# %s: %s, %d ranks\n", library_.version().c_str(), options_.what.c_str(),
                   team.size());
      if (!options_.json) print_head(stdout);
    }
    const collective what = options_.kind();
    if (what == collective::barrier)
      report({.what = what, .ranks = team.size()}, measure_barrier(team, timing_, [&] { library_.barrier(); }));
    else
      with_type(options_.type, [&]<class T>(T) {
        if constexpr (std::is_arithmetic_v<T>)
          with_operation(reducing() ? options_.operation : "sum", [&]<class Op>(Op) { sizes<T>(make_operands<T, Op>); });
      });
    return wrong_ > 0;
  }

 private:
  bool reducing() const { return tutti::reduces(options_.kind()); }

  template <class T>
  void sizes(typename workload<T>::maker make) {
    for (const problem& p : options_.problems(library_.team().size(), sizeof(T))) {
      auto call = library_.template call_for<T>(p, options_.operation);
      report(p, measure<T>(library_.team(), p, make, timing_, [&](auto in, auto out) { call(in, out); }));
    }
  }

  void report(const problem& p, const measurement& m) {
    wrong_ += m.wrong;
    if (library_.team().rank() != 0) return;
    const row r{.of = p, .type = p.what == collective::barrier ? "none" : options_.type,
                .operation = reducing() ? options_.operation : "none", .algorithm = library_.algorithm(p.what),
                .seconds = m.seconds, .wrong = m.wrong};
    if (options_.json) print_json(stdout, r);
    else print_line(stdout, r);
  }

  Library& library_;
  const perf_options& options_;
  timing_options timing_{};
  std::size_t wrong_ = 0;
};

}  // namespace benchmarks
