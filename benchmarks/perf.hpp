#pragma once
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include <sys/utsname.h>
#include <ucp/api/ucp.h>

#include <tutti/comm/neighbours.hpp>
#include <tutti/tutti.hpp>

#include "measure.hpp"
#include "options.hpp"
#include "report.hpp"
#include "tune.hpp"

namespace benchmarks {

/// All-gathers of equal length, by a communicator.
class gathering {
 public:
  explicit gathering(tutti::communicator& world) : world_(world) {}
  int rank() const { return world_.rank(); }
  int size() const { return world_.size(); }
  tutti::contributions all_gather(tutti::bytes_view mine) {
    const auto ranks = static_cast<std::size_t>(size());
    tutti::buffer<std::byte> all(mine.size() * ranks);
    tutti::all_gather(world_, mine, all);
    tutti::contributions parts;
    for (std::size_t r = 0; r < ranks; ++r) {
      const std::byte* begin = all.data() + r * mine.size();
      parts.emplace_back(begin, begin + mine.size());
    }
    return parts;
  }

 private:
  tutti::communicator& world_;
};

/// How the library is called, and with what types.
struct library_calls {
  template <class Use>
  static void with_type(const std::string& name, Use use) {
    benchmarks::with_type(name, use);
  }

  template <class T, class Op>
  static void call(tutti::communicator& world, collective what, tutti::span<const T> in, tutti::span<T> out, Op op,
                   tutti::call_options how) {
    switch (what) {
      case collective::all_reduce: return tutti::all_reduce(world, in, out, op, how);
      case collective::reduce_scatter: return tutti::reduce_scatter(world, in, out, op, how);
      case collective::all_gather: return tutti::all_gather(world, in, out, how);
      case collective::broadcast: return tutti::broadcast(world, out, 0, how);
      case collective::reduce: return tutti::reduce(world, in, out, op, 0, how);
      case collective::barrier: return tutti::barrier(world, how);
      case collective::gather: return tutti::gather(world, in, out, 0, how);
      case collective::scan: return tutti::scan(world, in, out, op, how);
      case collective::exclusive_scan: return tutti::exclusive_scan(world, in, out, op, how);
      case collective::all_to_all: return tutti::all_to_all(world, in, out, how);
      case collective::scatter: return tutti::scatter(world, in, out, 0, how);
    }
  }
};

inline std::string processor_name() {
  std::string name = "unknown processor";
  if (std::FILE* f = std::fopen("/proc/cpuinfo", "r")) {
    char line[256];
    while (std::fgets(line, sizeof line, f))
      if (const char* colon = std::strchr(line, ':'); colon && std::strncmp(line, "model name", 10) == 0) {
        name.assign(colon + 2, std::strcspn(colon + 2, "\n"));
        break;
      }
    std::fclose(f);
  }
  return name;
}

/// One rank of the benchmark. Returns the exit code: 1 where a result was wrong.
template <class Calls>
class perf {
 public:
  perf(tutti::communicator& world, const perf_options& options)
      : world_(world), options_(options), team_(world), to_(options.json ? stderr : stdout) {
    neighbours_ = tutti::ranks_on_this_machine(world);
    timing_.iterations = options.iterations;
    timing_.seconds = options.seconds;
    timing_.one_host = neighbours_ == world.size();
  }

  /// Measures every algorithm at several sizes, and on rank 0 writes the values
  /// of the link that explain them. 1 where a result was wrong or the file
  /// cannot be written.
  int tune() {
    std::vector<tuning_cell> cells;
    const bool shared = neighbours_ > tutti::usable_cores();
    // In turns, and the better of three: what disturbs the machine disturbs all alike.
    for (int round = 0; round < 3; ++round) {
      std::size_t at = 0;
      for (const problem& size : problems(collective::all_reduce, world_.size(), sizeof(float), options_.least, options_.most, 8))
        for (const tutti::repertoire_entry& entry : tutti::repertoire) {
          if (entry.what == collective::barrier) continue;
          const problem p = problems(entry.what, world_.size(), sizeof(float), size.bytes, size.bytes, 2).front();
          const measurement m = measure<float>(team_, p, make_operands<float, tutti::plus>, timing_, [&](auto in, auto out) {
            call_by<float, tutti::plus>(world_, p.what, in, out, {.algorithm = entry.how});
          });
          wrong_ += m.wrong;
          const double seconds = shared ? m.seconds.mean : m.seconds.median;
          if (round == 0) cells.push_back({p.what, entry.how, p.bytes, seconds});
          else if (seconds < cells[at].seconds) cells[at].seconds = seconds;
          ++at;
        }
    }
    if (world_.rank() != 0) return wrong_ > 0;
    const bool windows = world_.size() == 1 || world_.link_to(1) == tutti::link_kind::window;
    tutti::tuning t;
    tutti::cost_model model{.link = windows ? t.window : t.message, .cores = shared ? tutti::usable_cores() : 0};
    model = fit(model, world_.all(), cells);
    (windows ? t.window : t.message) = model.link;
    for (const tutti::detail::tuned_of_model& v : tutti::detail::tuned_of_models) t.*v.value = model.*v.stands_for;
    print_regrets(stdout, regrets(model, world_.all(), cells));
    std::FILE* file = std::fopen(options_.tune.c_str(), "w");
    const std::string text = tutti::tuning_text(t);
    bool written = file && std::fwrite(text.data(), 1, text.size(), file) == text.size();
    if (file) written = std::fclose(file) == 0 && written;
    if (!written) std::fprintf(stderr, "tutti-perf: %s cannot be written: %s\n", options_.tune.c_str(), std::strerror(errno));
    return wrong_ > 0 || !written;
  }

  int run() {
    print_header();
    const collective what = options_.kind();
    if (what == collective::barrier) {
      for (tutti::algorithm how : options_.algorithms()) barrier(how);
    } else {
      Calls::with_type(options_.type, [&]<class T>(T) {
        if (!tutti::reduces(what)) sizes<T>(make_operands<T, tutti::plus>, call_by<T, tutti::plus>);
        else with_operation(options_.operation, [&]<class Op>(Op) { sizes<T>(make_operands<T, Op>, call_by<T, Op>); });
      });
    }
    print_choices(to_, rows_, neighbours_ > tutti::usable_cores());
    if (wrong_ > 0 && world_.rank() == 0) std::fprintf(stderr, "tutti-perf: %zu elements were wrong\n", wrong_);
    return wrong_ > 0;
  }

 private:
  template <class T>
  using function = void (*)(tutti::communicator&, collective, tutti::span<const T>, tutti::span<T>, tutti::call_options);

  template <class T, class Op>
  static void call_by(tutti::communicator& world, collective what, tutti::span<const T> in, tutti::span<T> out,
                      tutti::call_options how) {
    Calls::call(world, what, in, out, Op{}, how);
  }

  // What does not depend on the operation is compiled once for all of them.
  template <class T>
  void sizes(typename workload<T>::maker make, function<T> call) {
    const collective what = options_.kind();
    for (const problem& p : options_.problems(world_.size(), sizeof(T)))
      for (tutti::algorithm how : options_.algorithms())
        report(p, how, sizeof(T), measure<T>(team_, p, make, timing_, [&](auto in, auto out) {
                 call(world_, what, in, out, {.algorithm = how});
               }, options_.buffers == "library" ? world_.memory() : nullptr));
  }

  void barrier(tutti::algorithm how) {
    auto call = [&] { call_by<char, tutti::plus>(world_, collective::barrier, {}, {}, {.algorithm = how}); };
    report({.what = collective::barrier, .ranks = world_.size()}, how, 1, measure_barrier(team_, timing_, call));
  }

  void report(const problem& p, tutti::algorithm how, std::size_t element, const measurement& m) {
    wrong_ += m.wrong;
    tutti::call_shape call{.what = p.what, .count = tutti::blocked(p.what) ? p.block() : p.count(), .element = element,
                           .root = tutti::rooted(p.what) ? 0 : -1, .algorithm = how, .lent = options_.buffers == "library"};
    const tutti::plan planned = world_.plan_for(call);
    call.algorithm = tutti::algorithm::automatic;
    const bool taken = planned.algorithm == world_.plan_for(call).algorithm;
    if (world_.rank() != 0) return;
    row r{.of = p, .type = p.what == collective::barrier ? "none" : options_.type,
          .operation = tutti::reduces(p.what) ? options_.operation : "none",
          .algorithm = tutti::name_of(planned.algorithm), .seconds = m.seconds, .model = planned.seconds,
          .wrong = m.wrong};
    if (options_.algorithm == "all") {
      r.chosen = taken;
      rows_.push_back(r);
    }
    if (options_.json) print_json(stdout, r);
    else print_line(stdout, r);
  }

  void print_header() {
    unsigned kinds = 0;
    for (int r = 0; r < world_.size(); ++r)
      if (r != world_.rank()) kinds |= 1u << static_cast<unsigned>(world_.link_to(r));
    unsigned all = 0;
    for (unsigned theirs : gather(team_, kinds)) all |= theirs;
    if (world_.rank() != 0) return;
    std::string links;
    for (tutti::link_kind k : {tutti::link_kind::window, tutti::link_kind::message})
      if (all >> static_cast<unsigned>(k) & 1u) links += (links.empty() ? "" : " and ") + std::string(tutti::name_of(k));
    utsname system{};
    ::uname(&system);
    std::fprintf(to_, "# tutti-perf %d.%d.%d, UCX %s: %s, %d ranks, %d of them on this machine, link: %s\n", tutti::version.major,
                 tutti::version.minor, tutti::version.patch, ucp_get_version_string(), options_.what.c_str(),
                 world_.size(), neighbours_, links.empty() ? "none" : links.c_str());
    std::fprintf(to_, "# %s: %s, %d cores, %s %s\n", system.nodename, processor_name().c_str(), tutti::usable_cores(),
                 system.sysname, system.release);
    if (!options_.json) print_head(to_);
    std::fflush(to_);
  }

  tutti::communicator& world_;
  const perf_options& options_;
  gathering team_;
  std::FILE* to_;
  timing_options timing_{};
  int neighbours_ = 0;
  std::size_t wrong_ = 0;
  std::vector<row> rows_;  // on rank 0, of all algorithms
};

template <class Calls = library_calls>
int perf_main(int argc, char** argv) {
  perf_options options;
  if (auto code = command_line("tutti-perf", options, argc, argv).read(argc, argv)) return *code;
  try {
    options.check();
  } catch (const tutti::error& e) {
    std::fprintf(stderr, "tutti-perf: %s\n", e.what());
    return 2;
  }
  return tutti::run(argc, argv, [&](tutti::communicator& world) {
    perf<Calls> measured(world, options);
    const int code = options.tune.empty() ? measured.run() : measured.tune();
    tutti::barrier(world);
    return code;
  });
}

}  // namespace benchmarks
