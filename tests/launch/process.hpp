#pragma once
// Starts programs, collects what they print, and sees that nothing of them stays.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>
#include <tutti/launch/rank_list.hpp>

namespace tests {

inline constexpr double patience = 60;  ///< seconds before a test gives up on a process

using settings = std::vector<std::string>;  ///< NAME=VALUE

/// Calls `holds` again and again until it is true; false at the deadline.
template <class Condition>
bool eventually(Condition holds, double seconds = patience) {
  for (double deadline = tutti::now() + seconds; tutti::now() < deadline; ::poll(nullptr, 0, 2))
    if (holds()) return true;
  return holds();
}

/// A program that was started; killed, with all that it started, where the
/// test ends before it.
class process {
 public:
  /// Returns when the program runs, or could not be started. Where `to` is a
  /// descriptor, standard output goes there.
  explicit process(const std::vector<std::string>& words, const settings& environment = {}, int to = -1) {
    // Orphans then come to us, so that we see whether any is left.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    output_ = ::memfd_create("stdout", MFD_CLOEXEC);
    errors_ = ::memfd_create("stderr", MFD_CLOEXEC);
    ::fcntl(output_, F_SETFL, O_APPEND);  // several processes write to it
    ::fcntl(errors_, F_SETFL, O_APPEND);
    int runs[2];  // its write end closes with the exec
    REQUIRE(::pipe2(runs, O_CLOEXEC) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(to < 0 ? output_ : to, STDOUT_FILENO);
      ::dup2(errors_, STDERR_FILENO);
      for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "TUTTI_TAG_OUTPUT", "TUTTI_GRACE",
                               "TUTTI_DEADLINE", "TUTTI_JOIN_TIMEOUT", "SLURM_PROCID", "SLURM_STEP_ID", "PMIX_RANK",
                               // Meson sets it, and Debian's mpirun, which reads memory that it has freed, dies of it.
                               "MALLOC_PERTURB_"})
        ::unsetenv(name);
      for (const std::string& s : environment) {
        std::size_t equals = s.find('=');
        ::setenv(s.substr(0, equals).c_str(), s.c_str() + equals + 1, 1);
      }
      std::vector<char*> argv;
      for (const std::string& w : words) argv.push_back(const_cast<char*>(w.c_str()));
      argv.push_back(nullptr);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(runs[1]);
    char none;
    while (::read(runs[0], &none, 1) < 0 && errno == EINTR) {
    }
    ::close(runs[0]);
  }
  process(process&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), output_(std::exchange(other.output_, -1)),
        errors_(std::exchange(other.errors_, -1)) {}
  process& operator=(process&&) = delete;
  ~process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
    if (errors_ >= 0) ::close(errors_);
  }

  pid_t pid() const { return pid_; }
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);  // to −1 it would go to everyone
  }
  std::string output() const { return text(output_); }
  std::string errors() const { return text(errors_); }

  bool ended() {
    if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) != 0) pid_ = -1;
    return pid_ < 0;
  }

  /// Its exit code, 128 and the signal's number, or −1 where it does not end.
  int wait() { return eventually([&] { return ended(); }) ? tutti::exit_code_of(status_) : -1; }

 private:
  static std::string text(int file) {
    struct stat about;
    ::fstat(file, &about);
    std::string all(static_cast<std::size_t>(about.st_size), '\0');
    ssize_t got = ::pread(file, all.data(), all.size(), 0);
    all.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return all;
  }

  pid_t pid_ = -1;
  int output_ = -1, errors_ = -1, status_ = 0;
};

/// Whether no child of ours is left, nor any orphan that came to us; ends those
/// that are, so that the next test starts without them.
inline bool nobody_left() {
  auto all_reaped = [] {
    pid_t ended;
    do ended = ::waitpid(-1, nullptr, WNOHANG);
    while (ended > 0);
    return ended < 0 && errno == ECHILD;
  };
  if (eventually(all_reaped, 20)) return true;
  std::FILE* children = std::fopen(tutti::format("/proc/self/task/%d/children", static_cast<int>(::getpid())).c_str(), "r");
  for (int pid; children && std::fscanf(children, "%d", &pid) == 1;) {
    char name[64] = "";
    if (std::FILE* comm = std::fopen(tutti::format("/proc/%d/comm", pid).c_str(), "r")) {
      [[maybe_unused]] auto read = std::fread(name, 1, sizeof name - 1, comm);
      std::fclose(comm);
    }
    MESSAGE("process " << pid << " is left: " << name);
    ::kill(pid, SIGKILL);
  }
  if (children) std::fclose(children);
  eventually(all_reaped, 20);
  return false;
}

inline int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

inline bool has(const std::string& text, const std::string& part) { return count(text, part) > 0; }

/// The numbers that follow `word` in a text: of "pid 12\npid 34\n", 12 and 34.
inline std::vector<int> numbers_after(const std::string& text, const std::string& word) {
  std::vector<int> all;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1))
    all.push_back(std::atoi(text.c_str() + at + word.size()));
  return all;
}

/// Runs a script beside the tests; false, with its reason, where it says that
/// it cannot be here (exit code 77).
struct script {
  int code;
  std::string output, errors;

  script(const std::string& name, std::vector<std::string> words) {
    words.insert(words.begin(), {"sh", std::string(TEST_SCRIPTS) + "/" + name});
    process p(words);
    code = p.wait();
    output = p.output();
    errors = p.errors();
    if (skipped()) MESSAGE(name << " " << output);
  }

  bool skipped() const { return code == 77; }
};

/// A port that nobody holds at present, as text.
inline std::string free_port() {
  int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof where;
  ::bind(s, reinterpret_cast<sockaddr*>(&where), length);
  ::getsockname(s, reinterpret_cast<sockaddr*>(&where), &length);
  ::close(s);
  return std::to_string(ntohs(where.sin_port));
}

}  // namespace tests
