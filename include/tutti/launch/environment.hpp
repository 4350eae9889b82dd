#pragma once
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <tutti/base/environment.hpp>
#include <tutti/base/error.hpp>
#include <tutti/launch/any_bootstrap.hpp>
#include <tutti/launch/options.hpp>
#include <tutti/launch/tcp_bootstrap.hpp>

namespace tutti {

/// Who started this process.
enum class launcher { none, torchrun, pmix, slurm };

constexpr const char* name_of(launcher by) {
  switch (by) {
    case launcher::none: return "no launcher";
    case launcher::torchrun: return "RANK and WORLD_SIZE";
    case launcher::pmix: return "PMIx (mpirun)";
    case launcher::slurm: return "Slurm (srun)";
  }
  return "unknown";
}

/// What the environment says of this process. For `torchrun` and `slurm`, `tcp`
/// says where its ranks meet.
struct surroundings {
  launcher by = launcher::none;
  int rank = 0;
  int size = 1;
  tcp_options tcp{};
};

namespace detail {

/// Joins through PMIx; set by the inclusion of <tutti/launch/pmix.hpp>.
inline any_bootstrap (*join_through_pmix)(double timeout) = nullptr;

inline int integer_from(const char* name, int least, int most) {
  const char* text = environment(name);
  if (!text) throw error(errc::launch, format("%s is not set", name));
  char* end = nullptr;
  long value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < least || value > most)
    throw error(errc::invalid_argument,
                format("%s is '%s': it takes a whole number from %d to %d", name, text, least, most));
  return static_cast<int>(value);
}

/// The first host of a Slurm node list: "rack[2-3]n[07,09-12],gpu1" → "rack2n07".
inline std::string first_host(const char* list) {
  std::string host;
  bool inside = false, taken = false;
  for (const char* c = list; *c && (inside || *c != ','); ++c) {
    if (*c == '[') inside = true, taken = false;
    else if (*c == ']') inside = false;
    else if (inside && (*c == '-' || *c == ',')) taken = true;
    else if (!inside || !taken) host += *c;
  }
  return host;
}

constexpr int largest_world = 1 << 20;

inline surroundings read_torchrun() {
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR"})
    if (!environment(name))
      throw error(errc::launch, format("RANK, WORLD_SIZE and MASTER_ADDR belong together, but %s is not set", name));
  surroundings s{.by = launcher::torchrun};
  s.size = integer_from("WORLD_SIZE", 1, largest_world);
  s.rank = integer_from("RANK", 0, largest_world);
  if (s.rank >= s.size)
    throw error(errc::invalid_argument, format("RANK is %d, but WORLD_SIZE is %d: ranks count from 0", s.rank, s.size));
  s.tcp.host = environment("MASTER_ADDR");
  s.tcp.port = environment("MASTER_PORT") ? integer_from("MASTER_PORT", 1, 65534) : 29500;
  // torchrun's agent serves its own store at MASTER_PORT while the ranks run.
  const char* agent = environment("TORCHELASTIC_USE_AGENT_STORE");
  if (agent && std::strcmp(agent, "True") == 0) ++s.tcp.port;
  const char* run = environment("TORCHELASTIC_RUN_ID");
  const char* attempt = environment("TORCHELASTIC_RESTART_COUNT");
  s.tcp.job = format("torchrun %s %s", run ? run : "", attempt ? attempt : "");
  return s;
}

inline surroundings read_slurm() {
  surroundings s{.by = launcher::slurm};
  s.size = integer_from("SLURM_STEP_NUM_TASKS", 1, largest_world);
  s.rank = integer_from("SLURM_PROCID", 0, s.size - 1);
  if (s.size == 1) return s;
  const char* job = environment("SLURM_JOB_ID");
  const char* step = environment("SLURM_STEP_ID");
  s.tcp.job = format("slurm %s.%s", job ? job : "", step);
  // The first task runs on the first node of the step.
  const char* nodes = environment("SLURM_STEP_NODELIST");
  const char* node_count = environment("SLURM_STEP_NUM_NODES");
  bool one_node = node_count && std::strcmp(node_count, "1") == 0;
  if (environment("MASTER_ADDR")) s.tcp.host = environment("MASTER_ADDR");
  else if (one_node) s.tcp.host = "127.0.0.1";
  else if (nodes) s.tcp.host = first_host(nodes);
  else throw error(errc::launch, "started by srun, but SLURM_STEP_NODELIST is not set: set MASTER_ADDR to rank 0's host");
  // Below the ports that Linux gives to clients; two steps on one node seldom meet, jobs in a row never do.
  unsigned long number = (job ? std::strtoul(job, nullptr, 10) : 0) * 131 + std::strtoul(step, nullptr, 10);
  s.tcp.port = environment("MASTER_PORT") ? integer_from("MASTER_PORT", 1, 65535) : 20000 + static_cast<int>(number % 12000);
  return s;
}

}  // namespace detail

/// Reads who started this process. The first of these that holds:
///
/// 1. `RANK` and `WORLD_SIZE`, as torchrun sets them: with `MASTER_ADDR` and
///    `MASTER_PORT` (29500). The most explicit, so also inside of the others.
/// 2. `PMIX_RANK` (Open MPI's mpirun, also inside a Slurm allocation). Needs
///    <tutti/launch/pmix.hpp>; without it a world of more than one is an error.
/// 3. `SLURM_STEP_ID` and `SLURM_PROCID` (srun): rank 0 on the first node of
///    the step, port by job and step; `MASTER_ADDR` and `MASTER_PORT` override.
/// 4. Nothing: one rank, or what `--ranks` says.
///
/// A launcher that started a single process counts as nothing.
inline surroundings look_around() {
  surroundings s;
  bool rank = environment("RANK"), world = environment("WORLD_SIZE"), master = environment("MASTER_ADDR");
  if (world || (rank && master)) {
    s = detail::read_torchrun();
  } else if (environment("PMIX_RANK") && environment("PMIX_NAMESPACE")) {
    s.by = launcher::pmix;
    s.rank = detail::integer_from("PMIX_RANK", 0, detail::largest_world);
    // Open MPI says how many; other launchers leave that to PMIx itself.
    s.size = environment("OMPI_COMM_WORLD_SIZE") ? detail::integer_from("OMPI_COMM_WORLD_SIZE", 1, detail::largest_world) : 0;
    if (s.size != 1 && !detail::join_through_pmix)
      throw error(errc::launch, "started by mpirun, but this program does not know PMIx: include <tutti/launch/pmix.hpp> "
                                "and link libpmix (pkg-config pmix)");
  } else if (environment("SLURM_STEP_ID") && environment("SLURM_PROCID") && environment("SLURM_STEP_NUM_TASKS")) {
    s = detail::read_slurm();
  } else if (environment("PMI_SIZE") && std::strcmp(environment("PMI_SIZE"), "1") != 0) {
    throw error(errc::launch, format("started by an mpiexec that speaks PMI-1, as one of %s: Tutti joins under Open MPI's "
                                     "mpirun, srun, or RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT",
                                     environment("PMI_SIZE")));
  }
  if (s.size == 1) s = surroundings{};
  s.tcp.rank = s.rank;
  s.tcp.size = s.size;
  return s;
}

/// How many ranks `run` will find or start for this command line, which it leaves as it
/// is; 0 where only joining tells (PMIx of some launchers). What cannot be with as many can
/// then be said before there are any, and once where `run` starts them. Throws for words and
/// names that `run` refuses.
inline int ranks_expected(int argc, char** argv) {
  std::vector<char*> words(argv, argv + argc + 1);
  const launch_options options = parse_launch_options(argc, words.data());
  const surroundings s = look_around();
  return s.by == launcher::none && options.ranks > 0 ? options.ranks : s.size;
}

/// Joins the ranks that a launcher started. Collective. `TUTTI_JOIN_TIMEOUT`
/// (60 s) is how long ranks wait for each other here; `timeout` how long later,
/// in an all-gather. Throws as the bootstrap does that is used.
inline any_bootstrap join(surroundings s, double timeout = 300) {
  double join_timeout = environment_number("TUTTI_JOIN_TIMEOUT", 60, 0.01, 1e6);
  switch (s.by) {
    case launcher::none: break;
    case launcher::pmix: return detail::join_through_pmix(timeout);
    case launcher::torchrun:
    case launcher::slurm:
      s.tcp.join_timeout = join_timeout;
      s.tcp.timeout = timeout;
      return any_bootstrap(tcp_bootstrap(s.tcp));
  }
  return any_bootstrap();
}

}  // namespace tutti
