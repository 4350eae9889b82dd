#pragma once
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/transport/process_state.hpp>
#include <tutti/transport/verdict.hpp>

namespace tutti {

/// Where a rank runs, as it says itself when ranks connect.
struct rank_home {
  char boot[40] = {};           ///< the kernel's name for this boot of this host
  std::uint64_t pid_space = 0;  ///< inode of its process-number namespace
  std::uint64_t ipc_space = 0;  ///< inode of its shared-memory namespace
  std::uint64_t net_space = 0;  ///< inode of its network namespace
  std::int32_t pid = 0;
  char host[64] = {};
  cpu_set_t cores = {};         ///< on which it may run; none where that is not known

  static rank_home mine() {
    rank_home h;
    if (std::FILE* f = std::fopen("/proc/sys/kernel/random/boot_id", "r")) {
      if (!std::fgets(h.boot, sizeof h.boot, f)) h.boot[0] = '\0';
      std::fclose(f);
    }
    struct stat s{};
    if (::stat("/proc/self/ns/pid", &s) == 0) h.pid_space = s.st_ino;
    if (::stat("/proc/self/ns/ipc", &s) == 0) h.ipc_space = s.st_ino;
    if (::stat("/proc/self/ns/net", &s) == 0) h.net_space = s.st_ino;
    h.pid = ::getpid();
    ::gethostname(h.host, sizeof h.host - 1);
    if (::sched_getaffinity(0, sizeof h.cores, &h.cores) != 0) CPU_ZERO(&h.cores);
    return h;
  }

  /// Whether both share a clock, and cores unless they are kept apart.
  bool same_machine(const rank_home& other) const { return boot[0] && std::strcmp(boot, other.boot) == 0; }

  /// Whether there is a core on which both may run.
  bool shares_cores(const rank_home& other) const {
    cpu_set_t both;
    CPU_AND(&both, &cores, &other.cores);
    return same_machine(other) && (CPU_COUNT(&both) > 0 || CPU_COUNT(&cores) == 0 || CPU_COUNT(&other.cores) == 0);
  }

  /// Whether a window may join both, and each may watch the other's process. A
  /// network namespace is a host of its own, as containers are, which have one each.
  bool same_host(const rank_home& other) const {
    return same_network_space(other) && pid_space == other.pid_space && ipc_space == other.ipc_space;
  }
  bool same_network_space(const rank_home& other) const { return same_machine(other) && net_space == other.net_space; }
};

/// The verdict on a rank that is lost: `rank_died` or `rank_stopped`.
inline verdict loss_of(int rank, const rank_home& home, errc code) {
  verdict v{.code = code, .rank = rank};
  v.say(code == errc::rank_died ? format("rank %d (process %d on %s) died", rank, home.pid, home.host)
                                : format("rank %d (process %d on %s) gives no sign of life: it is stopped, or its host "
                                         "cannot be reached", rank, home.pid, home.host));
  return v;
}

/// A verdict with the lowest operation that it cut short, of those that ranks
/// wait in: what whoever reports a loss, or a connection that ended, waited in may
/// have been completed since.
inline verdict cut_short(verdict v, const lowest_operations& open) {
  const bool ended = v.code == errc::link && v.operation != 0 && !v.names_operation;
  const bool loss = v.code == errc::rank_died || v.code == errc::rank_stopped || ended;
  if (v.operation == 0 || loss) v.operation = open.lowest_noted(v.operation);
  if (!loss || v.operation == 0) return v;
  v.names_operation = true;
  v.say(format("%s; operation %llu%s could not be completed", v.text, static_cast<unsigned long long>(operation_number(v.operation)),
               of_communicator(communicator_of(v.operation)).c_str()));
  return v;
}

/// Watches processes of this host: has one ended, or does one exist but not
/// run? A process that ended is seen at once, one that is stopped once it has
/// been so for `patience` seconds.
class process_watch {
 public:
  static constexpr double patience = 1.5;

  enum class condition : std::uint8_t { running, ended, stopped };

  process_watch() = default;
  process_watch(process_watch&& other) noexcept : watched_(std::move(other.watched_)) { other.watched_.clear(); }
  process_watch& operator=(process_watch&& other) noexcept {
    watched_.swap(other.watched_);
    return *this;
  }
  ~process_watch() {
    for (const process& p : watched_)
      if (p.descriptor >= 0) ::close(p.descriptor);
  }

  /// `left`, where not null, is not 0 once the rank gives up what it has.
  void add(int rank, int pid, const std::atomic<std::uint32_t>* left = nullptr) {
    watched_.push_back({.rank = rank, .pid = pid, .descriptor = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), .left = left});
  }

  /// Whether a process that is watched has ended, or its rank has left. Any thread may ask.
  bool has_gone(int rank) const {
    return std::any_of(watched_.begin(), watched_.end(), [&](const process& p) { return p.rank == rank && gone(p); });
  }

  /// Whether a process that is watched has not given up its memory at `address`,
  /// as one that is killed does before it has ended. Any thread may ask. Where
  /// others' memory may not be looked at, whoever lives and has not left has it.
  /// Cost: 1 µs.
  bool still_has(int rank, std::uint64_t address) const {
    for (const process& p : watched_) {
      if (p.rank != rank) continue;
      if (gone(p)) return false;
      std::byte found;
      const iovec here{&found, 1}, there{reinterpret_cast<void*>(address), 1};
      return ::process_vm_readv(p.pid, &here, 1, &there, 1, 0) == 1 || (errno != ESRCH && errno != EFAULT);
    }
    return true;
  }

  struct finding {
    int rank = -1, pid = 0;
    condition is = condition::running;
  };

  /// Calls `report(finding)` for each process that does not run as it should.
  /// Cost: some 10 µs a process.
  template <class Report>
  void look(Report report) {
    const double t = now();
    for (process& p : watched_) {
      if (ended(p)) {
        report(finding{p.rank, p.pid, condition::ended});
      } else if (is_stopped(process_state(p.pid))) {
        // Time in which this process did not look either does not count: a job
        // that was stopped as a whole and goes on is no failure.
        if (p.stopped_since == 0 || t - p.looked > patience / 2) p.stopped_since = t;
        if (t - p.stopped_since >= patience) report(finding{p.rank, p.pid, condition::stopped});
      } else {
        p.stopped_since = 0;
      }
      p.looked = t;
    }
  }

 private:
  struct process {
    int rank = -1, pid = 0, descriptor = -1;
    const std::atomic<std::uint32_t>* left = nullptr;
    double stopped_since = 0, looked = 0;
  };

  static bool gone(const process& p) { return (p.left && p.left->load(std::memory_order_acquire) != 0) || ended(p); }
  static bool ended(const process& p) {
    // Without a descriptor, one that nobody has waited for still has a number.
    if (p.descriptor < 0) return has_ended(process_state(p.pid));
    pollfd fd{.fd = p.descriptor, .events = POLLIN, .revents = 0};
    return ::poll(&fd, 1, 0) == 1;
  }

  std::vector<process> watched_;
};

}  // namespace tutti
