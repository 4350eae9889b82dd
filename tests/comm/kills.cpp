// A rank is killed at seeded moments inside every collective: what the others
// are told, and what is left. The ranks are forks of this program, which itself
// never uses UCX; several jobs run side by side, since most of the time passes
// in sleep until somebody looks who is missing.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/comm/grouped.hpp>
#include <tutti/comm/messages.hpp>
#include <tutti/comm/together.hpp>
#include <tutti/launch/shared_bootstrap.hpp>
#include <tutti/schedule/repertoire.hpp>

#include "../shared_memory.hpp"

using namespace tutti;

namespace {

constexpr int ranks = 4;
enum class fault { killed, stopped, late, killed_twice };
enum class form { plain, vector, asynchronous, grouped, together, messages };

// What one job does, all of it decided by its seed.
struct assignment {
  unsigned seed = 0;
  collective what{};
  fault how = fault::killed;
  const char* links[ranks] = {"window", "window", "window", "window"};
  bool shrinks = false;
  bool makes = false;  ///< communicators, each for one call
  form in = form::plain;
  double deadline = 60;

  int victim = 0, root = 0;
  tutti::algorithm by = tutti::algorithm::automatic;
  std::size_t count = 1;
  int delay = 0, second_delay = 0;  // µs

  void decide() {
    std::mt19937 draw(seed);
    victim = static_cast<int>(draw() % ranks);
    root = static_cast<int>(draw() % ranks);
    count = std::size_t{1} << draw() % 17;
    delay = static_cast<int>(draw() % 4000);
    second_delay = static_cast<int>(draw() % 60000);
    std::vector<tutti::algorithm> known;
    for (const repertoire_entry& e : repertoire)
      if (e.what == what) known.push_back(e.how);
    by = known[draw() % known.size()];
  }
  std::string name() const {
    return format("seed %u: %s, form %d, by %s of %zu, root %d, rank %d after %d us", seed, name_of(what), static_cast<int>(in), name_of(by),
                  count, root, victim, delay);
  }
};

void call(communicator& c, const assignment& o, std::vector<int>& in, std::vector<int>& out) {
  const auto n = static_cast<std::size_t>(c.size());
  const span<const int> one(in.data(), o.count), all(in.data(), n * o.count);
  const span<int> one_out(out.data(), o.count), all_out(out.data(), n * o.count);
  const int root = o.root % c.size();
  const call_options how{.algorithm = o.by};
  switch (o.what) {
    case collective::all_reduce: return all_reduce(c, one, one_out, plus{}, how);
    case collective::reduce_scatter: return reduce_scatter(c, all, one_out, plus{}, how);
    case collective::all_gather: return all_gather(c, one, all_out, how);
    case collective::broadcast: return broadcast(c, one_out, root, how);
    case collective::reduce: return reduce(c, one, one_out, plus{}, root, how);
    case collective::barrier: return barrier(c, how);
    case collective::gather: return gather(c, one, c.rank() == root ? all_out : span<int>(), root, how);
    case collective::scatter: return scatter(c, c.rank() == root ? all : span<const int>(), one_out, root, how);
    case collective::all_to_all: return all_to_all(c, all, all_out, how);
    case collective::scan: return scan(c, one, one_out, plus{}, how);
    case collective::exclusive_scan: return exclusive_scan(c, one, one_out, plus{}, how);
  }
}

// With blocks of other lengths: a rank's is its number's share of what four have.
void call_v(communicator& c, const assignment& o, std::vector<int>& in, std::vector<int>& out) {
  std::vector<std::size_t> counts, alike(static_cast<std::size_t>(c.size()), o.count);
  std::size_t total = 0;
  for (int r = 0; r < c.size(); ++r) counts.push_back(o.count * static_cast<std::size_t>(r) / ranks), total += counts.back();
  const std::size_t mine = counts[static_cast<std::size_t>(c.rank())];
  const span<const int> one(in.data(), mine), all(in.data(), total), some(in.data(), alike.size() * o.count);
  const span<int> one_out(out.data(), mine), all_out(out.data(), total), some_out(out.data(), alike.size() * o.count);
  const int root = o.root % c.size();
  switch (o.what) {
    case collective::reduce_scatter: return reduce_scatter_v(c, all, one_out, counts, plus{});
    case collective::all_gather: return all_gather_v(c, one, all_out, counts);
    case collective::gather: return gather_v(c, one, c.rank() == root ? all_out : span<int>(), counts, root);
    case collective::scatter: return scatter_v(c, c.rank() == root ? all : span<const int>(), one_out, counts, root);
    default: return all_to_all_v(c, some, alike, some_out, alike);
  }
}

// What a rank leaves for the test, in memory that both see.
struct note {
  std::atomic<int> ready{0}, errors{0}, shrinking{0};
  std::uint64_t completed = 0, operation = 0;
  int code = -1, rank = -1, size_after = 0, threads_left = 0;
  char text[512] = {};
};

int threads_now() { return static_cast<int>(tests::names_in("/proc/self/task").size()); }

// Of several sizes, so that new segments are made and opened.
constexpr std::size_t channel_sizes[4] = {std::size_t{1} << 20, std::size_t{3} << 20, std::size_t{1} << 18, std::size_t{2} << 20};

void be_rank(shared_bootstrap b, const assignment& o, note& mine) {
  std::vector<int> in(o.count * ranks, 1), out(o.count * ranks), gathered(o.count * ranks);
  {
    session joined(b, {.deadline = o.deadline});
    communicator world(joined);
    mine.ready = 1;
    try {
      for (;;) {
        if (o.how == fault::late && b.rank() == o.victim && mine.completed == 20) ::poll(nullptr, 0, static_cast<int>(4000 * o.deadline));
        if (o.makes) {
          communicator all = world.duplicate({.channel_bytes = channel_sizes[mine.completed % 4]});
          auto some = all.split(all.rank() % 2, 0);
          call(all, o, in, out);
          call(*some, o, in, out);
        } else if (o.in == form::vector) {
          call_v(world, o, in, out);
        } else if (o.in == form::asynchronous) {
          request first = all_reduce_async(world, span<const int>(in.data(), o.count), span<int>(out.data(), o.count));
          request second = all_gather_async(world, span<const int>(in.data(), o.count), gathered);
          first.wait();
          ++mine.completed;
          second.wait();
        } else if (o.in == form::grouped) {
          grouped<int> group;
          for (std::size_t v = 0; v < ranks; ++v) group.add(span<int>(out.data() + v * o.count, o.count));
          all_reduce(world, group);
        } else if (o.in == form::together) {
          const int me = world.rank(), all = world.size();
          const span<int> sums(out.data(), o.count), theirs(out.data() + o.count, o.count);
          together(world, [&] {
            broadcast(world, gathered, o.root);
            reduce(world, span<const int>(in.data(), o.count), sums, plus{}, o.root);
            send_recv(world, span<const int>(in.data(), o.count), (me + 1) % all, theirs, (me + all - 1) % all);
          });
        } else if (o.in == form::messages) {
          const int me = world.rank(), all = world.size();
          send_recv(world, span<const int>(in.data(), o.count), (me + 1) % all, span<int>(out.data(), o.count), (me + all - 1) % all);
          continue;
        } else {
          call(world, o, in, out);
        }
        ++mine.completed;
        // Where a root hears from nobody it would run ahead for ever.
        if (mine.completed % 16 == 0) barrier(world), ++mine.completed;
      }
    } catch (const error& e) {
      mine.code = static_cast<int>(e.code());
      mine.rank = e.rank();
      mine.operation = e.operation();
      std::snprintf(mine.text, sizeof mine.text, "%s", e.what());
      ++mine.errors;
    }
    if (o.shrinks) {
      mine.shrinking = 1;
      for (communicator smaller = world.shrink();;) try {
          for (int i = 0; i < 3; ++i) call(smaller, o, in, out);
          barrier(smaller);
          mine.size_after = smaller.size();
          break;
        } catch (const error&) {
          smaller = smaller.shrink();  // one more was lost after they had agreed
        }
    }
  }
  // UCX may keep one of its own.
  for (double limit = now() + 2; (mine.threads_left = threads_now() - 1) > 0 && now() < limit;) ::poll(nullptr, 0, 1);
}

bool over_windows(const assignment& o) {
  return std::all_of(o.links, o.links + ranks, [](const char* l) { return std::string(l) == "window"; });
}

class job {
 public:
  explicit job(assignment o) : order_(o), board_(ranks) {
    notes_ = static_cast<note*>(::mmap(nullptr, sizeof(note) * ranks, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    for (int r = 0; r < ranks; ++r) new (&notes_[r]) note;
    std::fflush(nullptr);
    for (int r = 0; r < ranks; ++r) {
      pids_[r] = ::fork();
      if (r == order_.victim || (order_.how == fault::killed_twice && r == (order_.victim + 1) % ranks))
        victims_.insert(format("process %d", pids_[r]));
      if (pids_[r] != 0) continue;
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::setenv("TUTTI_LINK", order_.links[r], 1);
      // What is not needed need not be opened.
      ::setenv("UCX_TLS", over_windows(order_) ? "sysv,self" : "sysv,tcp,self", 1);
      int code = 0;
      try {
        be_rank(shared_bootstrap(board_, r, 30), order_, notes_[r]);
      } catch (const std::exception& e) {
        std::fprintf(stderr, "rank %d: %s (%s)\n", r, e.what(), order_.name().c_str());
        code = 1;
      }
      std::fflush(nullptr);
      ::_exit(code);
    }
    begun_ = now();
  }
  ~job() {
    for (int r = 0; r < ranks; ++r)
      if (pids_[r] > 0) {
        ::kill(pids_[r], SIGKILL);
        ::waitpid(pids_[r], nullptr, 0);
      }
    ::munmap(notes_, sizeof(note) * ranks);
  }

  /// The same with four times the deadline, where a rank comes too late for a short one.
  std::optional<assignment> again() const {
    if (order_.how != fault::late || order_.deadline > 1) return std::nullopt;
    assignment more = order_;
    more.deadline *= 4;
    return more;
  }
  /// As `abandoned_memory` names them.
  const std::set<std::string>& victims() const { return victims_; }

  // Does what is due; true once all have ended.
  bool step() {
    int ready = 0, running = 0;
    for (int r = 0; r < ranks; ++r) ready += notes_[r].ready.load();
    if (due_ == 0 && ready == ranks) due_ = now() + 1e-6 * order_.delay;
    if (due_ > 0 && !struck_ && now() >= due_) strike(order_.victim, order_.how == fault::stopped ? SIGSTOP : SIGKILL);
    const int second = (order_.victim + 1) % ranks;
    if (order_.how == fault::killed_twice && struck_ && second_due_ == 0 && notes_[second].shrinking.load())
      second_due_ = now() + 1e-6 * order_.second_delay;
    if (second_due_ > 0 && now() >= second_due_) {
      second_due_ = 1e300;
      if (pids_[second] > 0) ::kill(pids_[second], SIGKILL);
    }
    for (int r = 0; r < ranks; ++r) {
      int status = 0;
      if (pids_[r] > 0 && ::waitpid(pids_[r], &status, WNOHANG) == pids_[r]) {
        status_[r] = exit_code_of(status);
        if (r == aborted_by_ucx()) victims_.insert(format("process %d", pids_[r]));
        pids_[r] = 0;
      }
      running += pids_[r] > 0;
    }
    if (order_.how == fault::stopped && running == 1 && pids_[order_.victim] > 0) ::kill(pids_[order_.victim], SIGCONT);
    return running == 0 || now() - begun_ > 25;
  }

  // A rank that is not the victim and that UCX has aborted: up to 1.13 at least, its
  // assertion that an endpoint has nothing pending (wireup_ep.c) does not hold where the
  // other side dies while the two connect. -1 for none.
  int aborted_by_ucx() const {
    for (int r = 0; r < ranks; ++r)
      if (r != order_.victim && status_[r] == 128 + SIGABRT && !over_windows(order_)) return r;
    return -1;
  }
  // The same as below, of a job with such a rank: the others end, with one error of either.
  std::string wrong_without(int aborted) const {
    std::string text;
    int told = -1;
    for (int r = 0; r < ranks; ++r) {
      if (r == order_.victim || r == aborted) continue;
      const note& n = notes_[r];
      if (told < 0) told = r;
      if (pids_[r] != 0 || status_[r] != 0 || n.errors != 1 || (n.rank != order_.victim && n.rank != aborted) || std::strcmp(n.text, notes_[told].text) != 0)
        text += format("\n  rank %d ended with %d and %d errors: %s", r, status_[r], n.errors.load(), n.text);
    }
    return text.empty() ? text : order_.name() + format("\n  UCX aborted rank %d", aborted) + text;
  }

  // Empty where all was as it should be.
  std::string wrong() const {
    if (const int aborted = aborted_by_ucx(); aborted >= 0) return wrong_without(aborted);
    std::string text;
    auto expect = [&](bool holds, const std::string& what) {
      if (!holds) text += "\n  " + what;
    };
    const errc expected = order_.how == fault::stopped ? errc::rank_stopped
                          : order_.how == fault::late  ? errc::deadline : errc::rank_died;
    std::uint64_t lowest = ~std::uint64_t{0};
    const int second = order_.how == fault::killed_twice ? (order_.victim + 1) % ranks : -1;
    for (int r = 0; r < ranks; ++r)
      if (r != order_.victim) lowest = std::min(lowest, notes_[r].completed + 1);
    int told = 0;  // a rank that survives
    while (told == order_.victim || told == second) ++told;
    for (int r = 0; r < ranks; ++r) {
      const note& n = notes_[r];
      expect(pids_[r] == 0, format("rank %d did not end", r));
      if (r == order_.victim || (r == second && status_[r] != 0)) continue;
      expect(status_[r] == 0, format("rank %d ended with %d", r, status_[r]));
      expect(n.errors == 1, format("rank %d got %d errors", r, n.errors.load()));
      expect(n.code == static_cast<int>(expected) && n.rank == order_.victim, format("rank %d: %s", r, n.text));
      expect(std::strcmp(n.text, notes_[told].text) == 0 && n.operation == notes_[told].operation, format("rank %d was told something else than rank %d: %s", r, told, n.text));
      // Of a together, the collectives may be done everywhere where a message is not.
      const bool message_missing = order_.in == form::together && n.operation == lowest + 1;
      if (!order_.makes) expect(n.operation == lowest || message_missing, format("rank %d was told of operation %llu, not %llu: %s", r, static_cast<unsigned long long>(n.operation),
                                           static_cast<unsigned long long>(lowest), n.text));
      // After a failure UCX's worker stays until the process ends, where there is one, and with it the thread that it has.
      const bool only_windows = std::all_of(std::begin(order_.links), std::end(order_.links), [](const char* l) { return std::strcmp(l, "window") == 0; });
      expect(n.threads_left <= (only_windows ? 0 : 1), format("rank %d has %d threads left", r, n.threads_left));
      if (order_.shrinks && second < 0) expect(n.size_after == ranks - 1, format("rank %d: %d ranks went on", r, n.size_after));
      // It may have been killed when all was done, or when another had all that it
      // wanted and left.
      bool other_done = false;
      for (int p = 0; p < ranks; ++p) other_done |= p != r && notes_[p].size_after == ranks - 1;
      if (second >= 0) expect(n.size_after == ranks - 2 || n.size_after == ranks - 1 || (n.size_after == 1 && other_done),
                              format("rank %d: %d ranks went on", r, n.size_after));
    }
    if (order_.how == fault::killed || order_.how == fault::killed_twice) expect(status_[order_.victim] == 128 + SIGKILL, "the victim lives");
    if (!text.empty())
      for (int r = 0; r < ranks; ++r) text += format("\n  rank %d had completed %llu", r, static_cast<unsigned long long>(notes_[r].completed));
    return text.empty() ? text : order_.name() + text;
  }

 private:
  void strike(int victim, int signal) {
    struck_ = true;
    if (order_.how != fault::late && pids_[victim] > 0) ::kill(pids_[victim], signal);
  }

  assignment order_;
  shared_board board_;
  note* notes_;
  pid_t pids_[ranks] = {};
  int status_[ranks] = {};
  std::set<std::string> victims_;
  double begun_ = 0, due_ = 0, second_due_ = 0;
  bool struck_ = false;
};

unsigned first_seed() {
  const char* given = std::getenv("KILL_SEED");
  return given ? static_cast<unsigned>(std::atol(given)) : std::random_device{}() % 1000000;
}

// As `abandoned_memory` names it.
void remove_memory(const std::string& name) {
  int segment = 0;
  if (std::sscanf(name.c_str(), "segment %d", &segment) == 1) ::shmctl(segment, IPC_RMID, nullptr);
  else ::unlink(name.c_str());
}

// `victims_leave`: of how many victims memory may stay. One that is killed in the
// moment in which UCX makes a segment leaves it, which is rare but where they make
// segments all the time.
void carry_out(std::vector<assignment> orders, std::size_t victims_leave = 2, std::size_t at_once = 6) {
  ::setenv("TUTTI_LOG", "off", 1);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const std::set<std::string> before = tests::abandoned_memory();
  std::vector<std::unique_ptr<job>> running;
  std::size_t next = 0, left_by_victims = 0, aborted = 0;
  std::set<std::string> victims;
  while (next < orders.size() || !running.empty()) {
    while (next < orders.size() && running.size() < at_once) {
      orders[next].decide();
      running.push_back(std::make_unique<job>(orders[next++]));
    }
    for (std::size_t i = 0; i < running.size();) {
      if (!running[i]->step()) {
        ++i;
        continue;
      }
      const std::string wrong = running[i]->wrong();
      // Where the machine held up another rank for as long as the deadline, that one is rightly named.
      if (wrong != "" && running[i]->again()) orders.push_back(*running[i]->again());
      else CHECK(wrong == "");
      aborted += running[i]->aborted_by_ucx() >= 0;
      victims.insert(running[i]->victims().begin(), running[i]->victims().end());
      running.erase(running.begin() + static_cast<std::ptrdiff_t>(i));
    }
    ::usleep(200);
  }
  CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);  // no process is left
  for (const std::string& left : tests::abandoned_memory())
    if (!before.count(left)) {
      const std::size_t at = left.find("process ");
      if (at == std::string::npos || !victims.count(left.substr(at))) FAIL_CHECK(left);
      else ++left_by_victims;
      remove_memory(left);
    }
  MESSAGE(victims.size() << " victims left " << left_by_victims << " pieces of memory, and UCX aborted " << aborted << " other ranks");
  CHECK(left_by_victims <= victims_leave);
  CHECK(aborted <= 1);  // seen in one of some 2,000 jobs over messages
}



}  // namespace

TEST_CASE("a rank that is killed at any moment of any collective is named by all others, with the lowest operation cut short") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  for (collective what : every_collective)
    for (unsigned i = 0; i < 50; ++i) orders.push_back({.seed = seed + i, .what = what, .shrinks = i % 10 == 0});
  carry_out(orders);
}

TEST_CASE("so it is while communicators are made") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  for (unsigned i = 0; i < 60; ++i)
    orders.push_back({.seed = seed + i, .what = collective::all_reduce, .shrinks = i % 10 == 0, .makes = true});
  carry_out(orders, orders.size());
}

TEST_CASE("so it is where blocks differ, in calls under way and grouped ones, and between two ranks") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  auto add = [&](assignment o, bool over_messages) {
    for (int r = 0; r < ranks; ++r) o.links[r] = over_messages ? "message" : "window";
    orders.push_back(o);
  };
  for (unsigned i = 0; i < 6; ++i) {
    for (collective what : {collective::reduce_scatter, collective::all_gather, collective::gather, collective::scatter, collective::all_to_all})
      add({.seed = seed + i, .what = what, .shrinks = i == 5, .in = form::vector}, i == 4);
    for (form in : {form::asynchronous, form::grouped, form::together, form::messages})
      for (unsigned more : {0u, 100u}) add({.seed = seed + i + more, .what = collective::all_reduce, .shrinks = i == 5, .in = in}, i == 4);
  }
  carry_out(orders);
}

TEST_CASE("so it is over messages, and where windows and messages mix") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  for (collective what : every_collective)
    for (unsigned i = 0; i < 4; ++i) {
      assignment o{.seed = seed + i, .what = what, .shrinks = i == 3};
      for (int r = 0; r < ranks; ++r) o.links[r] = i % 2 ? "message" : r == 1 ? "message" : "";
      orders.push_back(o);
    }
  carry_out(orders);
}

TEST_CASE("a rank that stops, or comes too late, is named by all others, who go on without it") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  for (collective what : {collective::all_reduce, collective::barrier, collective::all_to_all})
    for (const char* link : {"window", "message"}) {
      assignment o{.seed = seed, .what = what, .how = fault::stopped, .shrinks = false};
      for (int r = 0; r < ranks; ++r) o.links[r] = link;
      orders.push_back(o);
      o.how = fault::late;
      o.deadline = 0.5;
      orders.push_back(o);
    }
  unsigned next = seed;
  auto stopped = [&](collective what, form in) {
    for (const char* link : {"window", "message"}) {
      assignment o{.seed = next++, .what = what, .how = fault::stopped, .in = in};
      for (int r = 0; r < ranks; ++r) o.links[r] = link;
      orders.push_back(o);
    }
  };
  for (form in : {form::asynchronous, form::grouped, form::together, form::messages}) stopped(collective::all_reduce, in);
  for (collective what : {collective::reduce_scatter, collective::all_gather, collective::gather, collective::scatter, collective::all_to_all})
    stopped(what, form::vector);
  carry_out(orders, 2, 12);  // they do nothing but wait
}

TEST_CASE("a second rank that is killed while the others shrink is left out as well") {
  const unsigned seed = first_seed();
  MESSAGE("KILL_SEED=" << seed);
  std::vector<assignment> orders;
  for (unsigned i = 0; i < 40; ++i)
    orders.push_back({.seed = seed + i, .what = collective::all_reduce, .how = fault::killed_twice, .shrinks = true});
  // Memory that UCX had made and not yet marked for removal at that moment has
  // nobody to remove it.
  carry_out(orders, orders.size());
}
