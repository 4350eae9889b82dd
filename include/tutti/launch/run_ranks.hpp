#pragma once
#include <type_traits>

#include <tutti/base/config.hpp>
#include <tutti/launch/any_bootstrap.hpp>

namespace tutti {

/// What a rank runs, its type forgotten: a function of `Argument&` that returns
/// an int, or nothing for 0. Refers to the function; does not keep it.
template <class Argument>
class rank_body {
 public:
  template <class Body>
    requires(!std::is_same_v<Body, rank_body>)
  rank_body(Body& body)
      : body_(&body), call_([](void* f, Argument& argument) {
          Body& it = *static_cast<Body*>(f);
          if constexpr (std::is_void_v<decltype(it(argument))>) {
            it(argument);
            return 0;
          } else {
            return static_cast<int>(it(argument));
          }
        }) {}
  int operator()(Argument& argument) const { return call_(body_, argument); }

 private:
  void* body_;
  int (*call_)(void*, Argument&);
};

namespace detail {
int run_ranks(int& argc, char** argv, rank_body<any_bootstrap> body);
}

/// What `run` stands on: finds or starts the ranks and runs
/// `body(any_bootstrap&)` on each, which communicates by itself. Needs no UCX.
template <class Body>
int run_ranks(int& argc, char** argv, Body body) {
  return detail::run_ranks(argc, argv, rank_body<any_bootstrap>(body));
}

}  // namespace tutti

#if TUTTI_WITH_BODIES
#include <exception>
#include <string>
#include <utility>

#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/base/log.hpp>
#include <tutti/launch/environment.hpp>
#include <tutti/launch/local_processes.hpp>
#include <tutti/launch/options.hpp>

namespace tutti::detail {

/// One line on standard error, in one write.
inline void say_line(std::string line) noexcept {
  line += '\n';
  [[maybe_unused]] auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

/// Runs a rank's body and turns how it ended into an exit code. What it throws
/// is printed, and told to the other ranks.
inline int run_rank(any_bootstrap& ranks, rank_body<any_bootstrap> body) noexcept {
  log_rank = ranks.rank();
  std::string why;
  int culprit = -1;
  bool expelled = false;
  try {
    return body(ranks);
  } catch (const error& e) {
    why = e.what();
    culprit = e.rank();
    expelled = e.code() == errc::expelled;
  } catch (const std::exception& e) {
    why = e.what();
  } catch (...) {
    why = "an exception that is no std::exception";
  }
  say_line(format("rank %d: %s", ranks.rank(), why.c_str()));
  ranks.fail(why.c_str(), culprit);
  return expelled ? exit_code_of_expelled : 1;
}

TUTTI_BODY int run_ranks(int& argc, char** argv, rank_body<any_bootstrap> body) {
  surroundings around;
  try {
    launch_options options = parse_launch_options(argc, argv);
    around = look_around();
    if (around.by != launcher::none && options.ranks > 0 && around.size > 0 && options.ranks != around.size)
      throw error(errc::invalid_argument, format("--ranks %d, but %s started %d ranks: leave it out, or start one process",
                                                 options.ranks, name_of(around.by), around.size));
    if (around.by == launcher::none && options.ranks > 0)
      return run_local_processes(options, [&](shared_bootstrap mine) {
        any_bootstrap ranks(mine);
        return run_rank(ranks, body);
      });
    any_bootstrap ranks = join(around, options.timeout);
    return run_rank(ranks, body);
  } catch (const std::exception& e) {
    // Before there are ranks, or while they join: what a rank throws later does not come here.
    say_line(around.by == launcher::none ? std::string(e.what()) : format("rank %d: %s", around.rank, e.what()));
    return 1;
  }
}

}  // namespace tutti::detail
#endif
