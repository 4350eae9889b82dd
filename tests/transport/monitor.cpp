#include <tutti/transport/monitor.hpp>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include <doctest/doctest.h>
#include <tutti/launch/shared_bootstrap.hpp>
#include <tutti/launch/threads.hpp>

#include "../launch/process.hpp"
#include "../shared_memory.hpp"

namespace {

using tutti::errc, tutti::verdict;
using tests::eventually;

constexpr double dead_within = 1, stopped_within = 3;  // seconds: DESIGN.md, "Waiting, deadlines, faults"

/// Processes that do nothing but watch each other, and what they have learnt,
/// in memory that the test sees.
class watching {
 public:
  /// `before(rank)` runs in each process first.
  explicit watching(int ranks, std::function<void(int)> before = {}) : board_(ranks) {
    void* memory = ::mmap(nullptr, sizeof(process) * most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(memory != MAP_FAILED);
    all_ = static_cast<process*>(memory);
    for (int r = 0; r < ranks; ++r) new (&all_[r]) process;
    for (int r = 0; r < ranks; ++r) {
      const pid_t pid = ::fork();
      if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (before) before(r);
        ::_exit(child(r));
      }
      all_[r].pid = pid;
    }
    for (int r = 0; r < ranks; ++r) REQUIRE(eventually([&] { return at(r).ready != 0; }));
  }
  watching(const watching&) = delete;
  ~watching() {
    for (int r = 0; r < size(); ++r)
      if (!at(r).reaped) {
        ::kill(at(r).pid, SIGKILL);
        ::waitpid(at(r).pid, nullptr, 0);
      }
    ::munmap(all_, sizeof(process) * most);
  }

  int size() const { return board_.size(); }
  pid_t pid(int r) { return at(r).pid; }
  void signal(int r, int number) { ::kill(at(r).pid, number); }
  void kill(int r) {
    signal(r, SIGKILL);
    ::waitpid(at(r).pid, nullptr, 0);
    at(r).reaped = true;
  }

  /// Each call counts for one declaration, with a text of its own.
  void declare(int r, errc code, int culprit) {
    at(r).code = static_cast<int>(code);
    at(r).culprit = culprit;
    at(r).command |= command_declare;
  }
  void stuck(int r, std::uint64_t operation) { at(r).stuck = operation; }
  void suspect(int r, int other) {
    at(r).culprit = other;
    at(r).command |= command_suspect;
  }
  void leave(int r) { at(r).command |= command_leave; }
  bool left(int r) {
    if (!at(r).reaped && ::waitpid(at(r).pid, &at(r).status, WNOHANG) == at(r).pid) at(r).reaped = true;
    return at(r).reaped && at(r).status == 0;
  }

  bool knows(int r) { return at(r).knows != 0; }
  const verdict& said(int r) { return at(r).what; }

  /// Waits until all these ranks have a verdict, and checks that it is one.
  verdict common(const std::vector<int>& ranks, double within) {
    const double t = tutti::now();
    for (int r : ranks) {
      CAPTURE(r);
      REQUIRE(eventually([&] { return knows(r); }, 20));
    }
    const double took = tutti::now() - t;
    WARN(took < within);
    const verdict& first = said(ranks[0]);
    for (int r : ranks) {
      CAPTURE(r);
      CHECK(said(r).code == first.code);
      CHECK(said(r).rank == first.rank);
      CHECK(said(r).operation == first.operation);
      CHECK(std::string(said(r).text) == first.text);
    }
    MESSAGE(first.text, ": after ", took, " s");
    return first;
  }
  std::vector<int> all_but(const std::vector<int>& gone) const {
    std::vector<int> rest;
    for (int r = 0; r < size(); ++r)
      if (std::find(gone.begin(), gone.end(), r) == gone.end()) rest.push_back(r);
    return rest;
  }
  bool nobody_knows() {
    for (int r = 0; r < size(); ++r)
      if (knows(r)) {
        MESSAGE("rank ", r, " says: ", said(r).text);
        return false;
      }
    return true;
  }

 private:
  static constexpr int most = 16;
  static constexpr int command_none = 0, command_declare = 1, command_leave = 2, command_suspect = 4;
  struct process {
    std::atomic<int> ready{0}, command{0}, knows{0}, code{0}, culprit{0};
    std::atomic<std::uint64_t> stuck{0};
    verdict what{};
    pid_t pid = -1;
    int status = -1;
    bool reaped = false;
  };
  process& at(int r) { return all_[r]; }

  int child(int r) {
    try {
      tutti::shared_bootstrap bootstrap(board_, r, 60);
      tutti::bootstrap_exchange<tutti::shared_bootstrap> world(bootstrap);
      tutti::verdict_board board;
      std::vector<int> all(static_cast<std::size_t>(size()));
      std::iota(all.begin(), all.end(), 0);
      tutti::monitor watch(world, r, all, board);
      watch.follow(at(r).stuck);
      at(r).ready = 1;
      for (;; ::poll(nullptr, 0, 2)) {
        if (board.any() && !at(r).knows) {
          at(r).what = board.read();
          at(r).knows = 1;
        }
        const int command = at(r).command.exchange(command_none);
        if (command & command_declare) {
          verdict v{.code = static_cast<errc>(at(r).code.load()), .rank = at(r).culprit};
          v.say(tutti::format("rank %d says that rank %d is at fault", r, at(r).culprit.load()));
          watch.declare(v);
        }
        if (command & command_suspect) watch.suspect(at(r).culprit);
        if (command & command_leave) {
          watch.leave();
          watch.leave();
          return 0;
        }
      }
    } catch (const std::exception& e) {
      std::fprintf(stderr, "rank %d: %s\n", r, e.what());
      return 1;
    }
  }

  tutti::shared_board board_;
  process* all_ = nullptr;
};

/// The port at which a process listens, from /proc.
int listening_port(pid_t pid) {
  std::set<std::string> inodes;
  const std::string folder = tutti::format("/proc/%d/fd", pid);
  DIR* d = ::opendir(folder.c_str());
  REQUIRE(d);
  while (dirent* e = ::readdir(d)) {
    char target[64] = {};
    if (::readlink((folder + "/" + e->d_name).c_str(), target, sizeof target - 1) > 8 &&
        std::strncmp(target, "socket:[", 8) == 0)
      inodes.insert(std::string(target + 8, std::strlen(target) - 9));
  }
  ::closedir(d);
  std::ifstream table(tutti::format("/proc/%d/net/tcp", pid));
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream words(line);
    std::vector<std::string> w;
    for (std::string word; words >> word;) w.push_back(word);
    if (w.size() > 9 && w[3] == "0A" && inodes.count(w[9]))
      return static_cast<int>(std::stoul(w[1].substr(w[1].find(':') + 1), nullptr, 16));
  }
  return -1;
}

int connect_as_stranger(int port) {
  const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(s, reinterpret_cast<sockaddr*>(&where), sizeof where) == 0);
  return s;
}

/// Whether the other side hangs up without having said a word.
bool hung_up_on(int s) {
  pollfd fd{s, POLLIN, 0};
  if (::poll(&fd, 1, 10000) != 1) return false;
  char byte;
  return ::recv(s, &byte, 1, 0) <= 0;
}

/// Two network namespaces with a cable between them, while it lasts.
class two_hosts {
 public:
  two_hosts() : name_(tutti::format("tutti%d", static_cast<int>(::getpid()))) {
    made_ = run("ip netns add " + a()) && run("ip netns add " + b()) &&
            run("ip -n " + a() + " link add veth0 type veth peer name veth0 netns " + b()) &&
            run("ip -n " + a() + " address add 10.77.0.1/24 dev veth0") &&
            run("ip -n " + b() + " address add 10.77.0.2/24 dev veth0") &&
            run("ip -n " + a() + " link set veth0 up") && run("ip -n " + b() + " link set veth0 up") &&
            run("ip -n " + a() + " link set lo up") && run("ip -n " + b() + " link set lo up") && carries();
  }
  ~two_hosts() {
    run("ip netns del " + a());
    run("ip netns del " + b());
  }
  explicit operator bool() const { return made_; }
  void enter(bool second) const {
    const int fd = ::open(("/run/netns/" + name(second)).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) ::_exit(2);
    ::close(fd);
  }
  std::string name(bool second) const { return second ? b() : a(); }
  void cut() const { REQUIRE(run("ip -n " + a() + " link set veth0 down")); }

 private:
  std::string a() const { return name_ + "a"; }
  std::string b() const { return name_ + "b"; }
  // A new cable takes a moment.
  bool carries() const {
    return eventually([&] { return run("ip -n " + a() + " link show veth0 | grep -q 'state UP'") &&
                                   run("ip -n " + b() + " link show veth0 | grep -q 'state UP'"); }, 10);
  }
  static bool run(const std::string& command) { return std::system(("{ " + command + "; } 2>/dev/null").c_str()) == 0; }
  std::string name_;
  bool made_ = false;
};

}  // namespace

TEST_CASE("a rank that cannot reach the first one is named by all, and nothing of it stays") {
  tutti::run_threads(2, [](tutti::thread_bootstrap& b) {
    // Rank 1 hears of another port than rank 0's, where nobody listens.
    struct misled final : tutti::exchange {
      explicit misled(tutti::thread_bootstrap& to) : with(to) {}
      tutti::contributions all_gather(tutti::bytes_view mine) override {
        tutti::contributions all = with.all_gather(mine);
        const auto nobodys = static_cast<std::uint16_t>(1);
        if (with.rank() == 1 && all[0].size() == sizeof nobodys) std::memcpy(all[0].data(), &nobodys, sizeof nobodys);
        return all;
      }
      tutti::thread_bootstrap& with;
    } world(b);
    tutti::verdict_board board;
    try {
      tutti::monitor watch(world, b.rank(), {0, 1}, board, 0.3);
      throw std::logic_error("it joined");
    } catch (const tutti::error& e) {
      const std::string who = tutti::format("rank 1 (process %d on ", static_cast<int>(::getpid()));
      if (e.code() != errc::link || e.rank() != 1 || !tests::has(e.what(), who) || !tests::has(e.what(), " could not connect to rank 0 on "))
        throw std::logic_error(e.what());
    }
  });
}

TEST_CASE("a process that is killed is named by all others, whoever it is") {
  for (int victim = 0; victim < 4; ++victim) {
    CAPTURE(victim);
    watching ranks(4);
    const pid_t pid = ranks.pid(victim);
    ranks.kill(victim);
    const verdict v = ranks.common(ranks.all_but({victim}), dead_within);
    CHECK(v.code == errc::rank_died);
    CHECK(v.rank == victim);
    CHECK(tests::has(v.text, tutti::format("rank %d (process %d on ", victim, static_cast<int>(pid))));
  }
}

TEST_CASE("a process that is stopped is named by all others, and by itself once it goes on") {
  for (int victim = 0; victim < 4; ++victim) {
    CAPTURE(victim);
    watching ranks(4);
    ranks.signal(victim, SIGSTOP);
    const verdict v = ranks.common(ranks.all_but({victim}), stopped_within);
    CHECK(v.code == errc::rank_stopped);
    CHECK(v.rank == victim);
    ranks.signal(victim, SIGCONT);
    ranks.common({0, 1, 2, 3}, dead_within);
  }
}

TEST_CASE("two that end at once are one verdict") {
  for (auto [first, second] : {std::pair{1, 2}, {0, 1}, {0, 3}, {2, 0}}) {
    CAPTURE(first);
    CAPTURE(second);
    watching ranks(5);
    ranks.signal(first, SIGKILL);
    ranks.kill(second);
    ranks.kill(first);
    const verdict v = ranks.common(ranks.all_but({first, second}), 2 * dead_within);
    CHECK(v.code == errc::rank_died);
    CHECK((v.rank == first || v.rank == second));
  }
}

TEST_CASE("a coordinator that is stopped while its successor dies") {
  watching ranks(4);
  ranks.signal(0, SIGSTOP);
  ranks.kill(1);
  const verdict v = ranks.common({2, 3}, 2 * stopped_within);
  CHECK((v.rank == 0 || v.rank == 1));
}

TEST_CASE("what several ranks say at once becomes one verdict, for them too") {
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    watching ranks(4);
    for (int r = 0; r < 4; ++r) ranks.declare((r + round) % 4, r % 2 ? errc::deadline : errc::mismatch, (r + 1) % 4);
    ranks.common({0, 1, 2, 3}, dead_within);
  }
}

TEST_CASE("what is said while the coordinator does not run is still heard") {
  watching ranks(4);
  ranks.signal(0, SIGSTOP);
  ranks.declare(3, errc::rank_failed, 3);
  const verdict v = ranks.common({1, 2, 3}, stopped_within);
  CHECK((v.rank == 3 || v.rank == 0));
}

TEST_CASE("a verdict has the lowest operation that somebody waits in") {
  watching ranks(4);
  ranks.stuck(0, 19);
  ranks.stuck(1, 17);
  ranks.stuck(3, 18);
  ranks.kill(2);
  const verdict v = ranks.common({0, 1, 3}, dead_within);
  CHECK(v.operation == 17);
  CHECK(tests::has(v.text, "operation 17 could not be completed"));
}

TEST_CASE("who says goodbye is missed by nobody, in any order") {
  for (const std::vector<int>& order : {std::vector{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}}) {
    watching ranks(4);
    for (int r : order) {
      ranks.leave(r);
      CHECK(eventually([&] { return ranks.left(r); }));
    }
    CHECK(ranks.nobody_knows());
  }
}

TEST_CASE("all can say goodbye at once") {
  for (int round = 0; round < 20; ++round) {
    watching ranks(8);
    for (int r = 0; r < 8; ++r) ranks.leave((r + round) % 8);
    for (int r = 0; r < 8; ++r) CHECK(eventually([&] { return ranks.left(r); }));
    CHECK(ranks.nobody_knows());
  }
}

TEST_CASE("the watch goes on when the coordinator has left") {
  watching ranks(4);
  ranks.leave(0);
  REQUIRE(eventually([&] { return ranks.left(0); }));
  ranks.kill(3);
  const verdict v = ranks.common({1, 2}, dead_within);
  CHECK(v.code == errc::rank_died);
  CHECK(v.rank == 3);
}

TEST_CASE("who leaves with a verdict leaves no one without") {
  for (int round = 0; round < 10; ++round) {
    watching ranks(6);
    ranks.declare(round % 6, errc::rank_failed, round % 6);
    ranks.leave(round % 6);
    ranks.common(ranks.all_but({round % 6}), dead_within);
  }
}

TEST_CASE("a job that is stopped as a whole and goes on has not failed") {
  watching ranks(3);
  for (int r = 0; r < 3; ++r) ranks.signal(r, SIGSTOP);
  ::poll(nullptr, 0, 3000);  // longer than anybody may be silent
  for (int r = 0; r < 3; ++r) ranks.signal(r, SIGCONT);
  ::poll(nullptr, 0, 1000);  // in which they look
  CHECK(ranks.nobody_knows());
  for (int r = 0; r < 3; ++r) ranks.leave(r);
  for (int r = 0; r < 3; ++r) CHECK(eventually([&] { return ranks.left(r); }));
}

TEST_CASE("a suspicion harms nobody who lives") {
  watching ranks(3);
  ranks.suspect(2, 1);
  ranks.suspect(0, 1);
  ranks.suspect(1, 0);
  ::poll(nullptr, 0, 1500);  // longer than an answer may take
  CHECK(ranks.nobody_knows());
}

TEST_CASE("a suspected rank that does not run is named sooner") {
  watching ranks(3);
  ranks.signal(2, SIGSTOP);
  ranks.suspect(1, 2);
  const verdict v = ranks.common({0, 1}, stopped_within);
  CHECK(v.rank == 2);
}

TEST_CASE("strangers get no word, and change nothing") {
  watching ranks(3);
  for (int r = 0; r < 3; ++r) {
    CAPTURE(r);
    const int port = listening_port(ranks.pid(r));
    REQUIRE(port > 0);
    const int silent = connect_as_stranger(port);
    const int short_of_words = connect_as_stranger(port);
    CHECK(::send(short_of_words, "GET", 3, MSG_NOSIGNAL) == 3);
    const int noisy = connect_as_stranger(port);
    const std::string noise(1 << 20, 'x');
    CHECK(::send(noisy, noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT) > 0);
    const int forger = connect_as_stranger(port);
    tutti::detail::heartbeat_frame hello{.kind = tutti::detail::heartbeat_kind::hello, .rank = (r + 1) % 3,
                                         .operation = static_cast<std::uint64_t>(r)};
    CHECK(::send(forger, &hello, sizeof hello, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof hello));
    for (int s : {silent, short_of_words, noisy, forger}) {
      CHECK(hung_up_on(s));
      ::close(s);
    }
  }
  CHECK(ranks.nobody_knows());
  ranks.kill(1);
  CHECK(ranks.common({0, 2}, dead_within).rank == 1);
}

TEST_CASE("a cut between two hosts leaves nobody waiting, on either side") {
  two_hosts hosts;
  if (!hosts) {
    MESSAGE("skipped: network namespaces cannot be made here (root and iproute2 are needed)");
    return;
  }
  SUBCASE("cut") {
    watching ranks(4, [&](int r) { hosts.enter(r >= 2); });
    hosts.cut();
    const verdict near = ranks.common({0, 1}, stopped_within);
    CHECK(near.code == errc::rank_stopped);
    CHECK(near.rank >= 2);
    const verdict far = ranks.common({2, 3}, stopped_within);
    CHECK(far.code == errc::rank_stopped);
    CHECK(far.rank == 0);
  }
  SUBCASE("a death is seen across") {
    watching ranks(4, [&](int r) { hosts.enter(r % 2 == 1); });
    ranks.kill(0);
    const verdict v = ranks.common({1, 2, 3}, dead_within);
    CHECK(v.code == errc::rank_died);
    CHECK(v.rank == 0);
  }
}

// With real collectives, in programs that know nothing of a monitor.

namespace {

/// The lines "rank R: TEXT" on a program's standard error, by rank.
std::vector<std::string> errors_by_rank(const std::string& errors, int ranks) {
  std::vector<std::string> all(static_cast<std::size_t>(ranks));
  std::istringstream lines(errors);
  for (std::string line; std::getline(lines, line);) {
    int rank = -1, used = 0;
    if (std::sscanf(line.c_str(), "rank %d: %n", &rank, &used) == 1 && used > 0 && rank >= 0 && rank < ranks)
      all[static_cast<std::size_t>(rank)] = line.substr(static_cast<std::size_t>(used));
  }
  return all;
}

int pid_of(const std::string& output, int rank) {
  const std::vector<int> pids = tests::numbers_after(output, tutti::format("rank %d pid ", rank));
  return pids.empty() ? -1 : pids[0];
}

}  // namespace

TEST_CASE("collectives over messages end with one error when a rank is killed or stopped") {
  for (int number : {SIGKILL, SIGSTOP})
    for (int victim : {0, 1, 3}) {
      CAPTURE(number);
      CAPTURE(victim);
      const std::set<std::string> before = tests::abandoned_memory();
      std::vector<int> pids;
      {
        tests::process job({LASTING_RANKS, "--ranks", "4", "1000000000", "1000"}, {"TUTTI_LINK=message", "TUTTI_GRACE=5"});
        REQUIRE(eventually([&] { return tests::count(job.output(), "runs") == 4; }));
        for (int r = 0; r < 4; ++r) pids.push_back(pid_of(job.output(), r));
        const double t = tutti::now();
        ::kill(pids[static_cast<std::size_t>(victim)], number);
        std::vector<std::string> said;
        const bool all_said = eventually([&] {
          said = errors_by_rank(job.errors(), 4);
          return std::count(said.begin(), said.end(), "") == 1;
        }, 20);
        INFO(job.errors());
        REQUIRE(all_said);
        const double took = tutti::now() - t;
        WARN(took < (number == SIGKILL ? dead_within : stopped_within));
        CHECK(said[static_cast<std::size_t>(victim)].empty());
        const std::string& one = said[victim == 0 ? 1 : 0];
        for (int r = 0; r < 4; ++r)
          if (r != victim) CHECK(said[static_cast<std::size_t>(r)] == one);
        CHECK(tests::has(one, tutti::format("rank %d (process %d on ", victim, pids[static_cast<std::size_t>(victim)])));
        CHECK(tests::has(one, number == SIGKILL ? " died; operation " : " is stopped, or its host cannot be reached; operation "));
        MESSAGE(one, ": after ", took, " s");
        CHECK(job.wait() > 0);
      }
      CHECK(tests::nobody_left());
      CHECK(tests::left_since(before) == "");
    }
}

TEST_CASE("collectives over messages end with one error when a rank throws") {
  tests::process job({LASTING_RANKS, "--ranks", "4", "1000000000", "1000", "2"}, {"TUTTI_LINK=message"});
  CHECK(job.wait() == 1);
  const std::vector<std::string> said = errors_by_rank(job.errors(), 4);
  INFO(job.errors());
  CHECK(said[2] == "this rank has had enough");
  for (int r : {0, 1, 3}) CHECK(said[static_cast<std::size_t>(r)] == "rank 2 failed: this rank has had enough");
  CHECK(tests::nobody_left());
}

TEST_CASE("collectives between two hosts") {
  two_hosts hosts;
  if (!hosts) {
    MESSAGE("skipped: network namespaces cannot be made here (root and iproute2 are needed)");
    return;
  }
  const auto start = [&](const std::string& rounds, const char* device) {
    // The hosts are one machine, where UCX would find a way past the cable.
    tests::settings settings{"TUTTI_LINK=message", "UCX_TLS=tcp", "WORLD_SIZE=4", "MASTER_ADDR=10.77.0.1",
                             "MASTER_PORT=29533", tutti::format("UCX_NET_DEVICES=%s", device), "RANK=0"};
    std::vector<tests::process> jobs;
    for (int r = 0; r < 4; ++r) {
      settings.back() = tutti::format("RANK=%d", r);
      jobs.emplace_back(std::vector<std::string>{"ip", "netns", "exec", hosts.name(r >= 2), LASTING_RANKS, rounds, "1000"}, settings);
    }
    return jobs;
  };
  const auto errors = [](std::vector<tests::process>& jobs) {
    std::vector<std::string> said;
    for (int r = 0; r < 4; ++r) {
      CHECK(jobs[static_cast<std::size_t>(r)].wait() == 1);
      said.push_back(errors_by_rank(jobs[static_cast<std::size_t>(r)].errors(), 4)[static_cast<std::size_t>(r)]);
    }
    return said;
  };
  SUBCASE("do their work") {
    std::vector<tests::process> jobs = start("100", "all");
    for (tests::process& job : jobs) {
      CHECK(job.wait() == 0);
      CHECK(job.errors() == "");
    }
  }
  SUBCASE("end when the cable is cut, with one error on each side") {
    std::vector<tests::process> jobs = start("1000000000", "all");
    for (tests::process& job : jobs) REQUIRE(eventually([&] { return tests::has(job.output(), "runs"); }));
    const double t = tutti::now();
    hosts.cut();
    const std::vector<std::string> said = errors(jobs);
    const double took = tutti::now() - t;
    WARN(took < stopped_within);
    CHECK(said[0] == said[1]);
    CHECK(said[2] == said[3]);
    CHECK(tests::has(said[2], "rank 0 (process "));
    CHECK(tests::has(said[0], "its host cannot be reached"));
    MESSAGE(said[0], " -- ", said[2], ": after ", took, " s");
  }
  SUBCASE("without a way for UCX say so") {
    std::vector<tests::process> jobs = start("1", "lo");
    for (const std::string& text : errors(jobs)) CHECK(tests::has(text, "no way to rank "));
  }
}
