// Ranks that do something wrong, as the first argument says.
#include <cstdio>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/launch/run.hpp>

using namespace tutti;

namespace {
struct adds_so_often {
  static constexpr const char* name = "adds_so_often";
  static constexpr bool commutative = true;
  std::size_t* left;
  float operator()(float a, float b) const {
    if (--*left == 0) throw std::runtime_error("does not add today");
    return a + b;
  }
};

struct picky {
  static constexpr bool commutative = true;
  bool angry;
  float operator()(float a, float b) const {
    if (angry) throw std::runtime_error("does not add today");
    return a + b;
  }
};
struct throws_number {
  static constexpr bool commutative = true;
  bool angry;
  float operator()(float a, float b) const {
    if (angry) throw 42;
    return a + b;
  }
};
struct ends {
  static constexpr bool commutative = true;
  int signal;
  std::size_t after;
  float operator()(float a, float b) const {
    static std::size_t folded = 0;
    if (signal && ++folded == after) ::raise(signal);
    return a + b;
  }
};
}  // namespace

namespace {
// The same within a part of the ranks, whose numbers there are others than in
// the session. The other part goes on for as long as it may.
void in_a_part(communicator& world, const std::string& fault, int culprit, std::vector<float>& x, std::vector<float>& untouched) {
  std::optional<communicator> part = world.split(world.rank() % 2, -world.rank());
  const bool me = world.rank() == culprit;
  all_reduce(*part, x);
  if (world.rank() % 2 != culprit % 2)
    for (;;) all_reduce(*part, x);
  if (fault == "part-count") {
    const std::size_t n = x.size() - me;
    all_reduce(*part, span<float>(x).subspan(0, n), span<float>(untouched).subspan(0, n));
  } else if (fault == "part-operation") {
    all_reduce(*part, x, picky{me}, {.algorithm = algorithm::ring});
  } else if (fault == "part-kill") {
    all_reduce(*part, x, ends{me ? SIGKILL : 0, x.size() / 4}, {.algorithm = algorithm::ring});
    for (;;) all_reduce(*part, x);
  } else if (fault == "part-late") {
    if (me) ::sleep(100);
    all_reduce(*part, x, untouched);
  } else if (fault == "part-leave") {
    if (me) part.reset();
    else all_reduce(*part, x, untouched);
    barrier(world);
  }
}

// Blocks of n + r elements, of which the culprit, rank 1, counts some otherwise.
void with_counts(communicator& world, const std::string& fault, bool me, std::size_t n, std::vector<float>& untouched) {
  const auto p = static_cast<std::size_t>(world.size()), rank = static_cast<std::size_t>(world.rank());
  std::vector<std::size_t> counts;
  for (std::size_t r = 0; r < p; ++r) counts.push_back(n + r);
  if (me && fault != "counts-gather" && fault != "counts-scatter") counts[p - 1] += 1;
  if (me && fault == "counts-several") counts[0] += 2;
  std::size_t total = 0;
  for (std::size_t c : counts) total += c;
  const std::size_t own = fault == "counts-gather" || fault == "counts-scatter" ? counts[rank] + me : counts[rank];
  std::vector<float> block(own, 1), all(total, 1);
  if (fault == "counts" || fault == "counts-several") {
    untouched.assign(total, 7);
    all_gather_v(world, block, untouched, counts);
  } else if (fault == "counts-reduce") {
    untouched.assign(own, 7);
    reduce_scatter_v(world, all, untouched, counts);
  } else if (fault == "counts-gather") {
    untouched.assign(total, 7);
    gather_v(world, block, untouched, counts, 0);
  } else if (fault == "counts-scatter") {
    untouched.assign(own, 7);
    scatter_v(world, all, untouched, counts, 0);
  } else if (fault == "counts-pair") {
    // As many from s to d as from d to s, but that rank 1 has one more for the last.
    const std::vector<std::size_t> alike(p, n);
    std::vector<std::size_t> mine = alike;
    if (me) ++mine[p == 2 ? 0 : p - 1];
    untouched.assign(n * p, 7);
    all_to_all_v(world, std::vector<float>(n * p + me, 1), mine, untouched, alike);
  }
}
}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [&](communicator& world) {
    const std::string fault = argc > 1 ? argv[1] : "";
    const int culprit = argc > 2 ? std::atoi(argv[2]) : 1;
    const std::size_t n = argc > 3 ? static_cast<std::size_t>(std::atol(argv[3])) : 1000;
    const bool me = world.rank() == culprit;
    if (fault == "leave-at-once") {  // before the others have so much as looked at a message
      if (!me) ::usleep(1500000);
      return;
    }
    std::vector<float> x(n, 1), untouched(n, 7);
    std::vector<int> y(n, 1);
    for (int i = 0; i < 5; ++i) all_reduce(world, x);
    try {
      if (fault.find("part-") == 0) {
        in_a_part(world, fault, culprit, x, untouched);
      } else if (fault.find("counts") == 0) {
        with_counts(world, fault, me, n, untouched);
      } else if (fault == "count") {
        me ? all_reduce(world, span<float>(x).subspan(0, n - 1), span<float>(untouched).subspan(0, n - 1)) : all_reduce(world, x, untouched);
      } else if (fault == "type") {
        me ? all_reduce(world, y) : all_reduce(world, x, untouched);
      } else if (fault == "operation") {
        me ? all_reduce(world, x, untouched, maximum{}) : all_reduce(world, x, untouched);
      } else if (fault == "root") {
        me ? reduce(world, x, untouched, plus{}, 0) : reduce(world, x, untouched, plus{}, 1);
      } else if (fault == "own-root") {  // where nobody sends anything
        reduce(world, x, untouched, plus{}, world.rank());
      } else if (fault == "silent-kind") {
        if (world.rank() == 0) reduce(world, x, untouched, plus{}, 0);
        else broadcast(world, untouched, 0);
      } else if (fault == "kind") {
        if (me) barrier(world);
        else all_reduce(world, x, untouched);
      } else if (fault == "round-algorithm") {  // the others show, where this one sends
        all_reduce(world, x, untouched, plus{}, {.algorithm = me ? algorithm::tree : algorithm::automatic});
      } else if (fault == "round-reduce") {
        me ? reduce(world, x, untouched, plus{}, 0) : all_reduce(world, x, untouched);
      } else if (fault == "algorithm") {
        all_reduce(world, x, untouched, plus{}, {.algorithm = me ? algorithm::ring : algorithm::tree});
      } else if (fault == "throw") {
        if (me) throw std::runtime_error("a full disk");
        all_reduce(world, x, untouched);
      } else if (fault == "throwing-operation") {
        all_reduce(world, x, picky{me}, {.algorithm = algorithm::ring});
      } else if (fault == "throwing-later") {
        // By then ranks keep step, and calls are done where they are made.
        std::size_t left = me ? 300 * n : static_cast<std::size_t>(-1);
        for (;;) all_reduce(world, x, adds_so_often{&left}, {.algorithm = algorithm::one_shot});
      } else if (fault == "throwing-number") {
        all_reduce(world, x, throws_number{me}, {.algorithm = algorithm::ring});
      } else if (fault == "kill" || fault == "stop") {
        // In the middle: after some of the vector was folded.
        all_reduce(world, x, ends{me ? (fault == "kill" ? SIGKILL : SIGSTOP) : 0, n / 4}, {.algorithm = algorithm::ring});
        for (;;) all_reduce(world, x);
      } else if (fault == "kill-writer" || fault == "stop-writer") {
        // In the middle of writing into the others' buffers.
        buffer<float> lent(world, n), result(world, n);
        for (float& v : lent) v = 1;
        all_reduce(world, lent, result);
        all_reduce(world, lent, result, ends{me ? (fault == "kill-writer" ? SIGKILL : SIGSTOP) : 0, n / static_cast<std::size_t>(world.size()) / 2});
        for (;;) all_reduce(world, lent, result);
      } else if (fault == "throwing-writer") {
        buffer<float> lent(world, n);
        for (float& v : lent) v = 1;
        all_reduce(world, lent, picky{me});
      } else if (fault == "count-lent") {
        buffer<float> lent(world, n), result(world, n);
        for (float& v : result) v = 7;
        const std::size_t some = n - me;
        try {
          all_reduce(world, span<float>(lent).subspan(0, some), span<float>(result).subspan(0, some));
        } catch (...) {
          for (std::size_t i = 0; i < n; ++i) untouched[i] = result[i];
          throw;
        }
      } else if (fault == "kill-lender") {
        // Its memory goes with it, before or while others read it. Each round's
        // buffer is new, so that it must be opened first.
        std::vector<buffer<float>> kept;
        for (std::size_t round = 0;; ++round) {
          kept.emplace_back(world, n + round * 100000);
          buffer<float>& lent = kept.back();
          if (me && round == 3) {
            request r = broadcast_async(world, lent, culprit);
            ::raise(SIGKILL);
          }
          if (round == 3) ::usleep(100000);  // it is dead before anyone opens that
          broadcast(world, lent, culprit);
        }
      } else if (fault == "late-lender") {
        // One gives up in the middle of what others read from it, and writes to it.
        buffer<float> lent(world, n), result(world, n);
        for (float& v : lent) v = 1;
        const auto slowly = [me](float a, float b) {
          if (!me) ::usleep(20);
          return a + b;
        };
        try {
          reduce(world, lent, result, slowly, 0, {.algorithm = algorithm::tree});
        } catch (...) {
          for (float& v : lent) v = 1e30f;
          throw;
        }
        for (float v : result)
          if (world.rank() == 0 && v != static_cast<float>(world.size())) {
            std::printf("rank 0 returned a sum of %g\n", v);
            return;
          }
        barrier(world);
      } else if (fault == "kill-tested") {
        request r = all_reduce_async(world, x);
        if (me) ::raise(SIGKILL);
        for (;;) {
          while (!r.test()) {}
          r = all_reduce_async(world, x);
        }
      } else if (fault == "kill-watched") {  // while the others wait for something else than a call
        barrier(world);
        if (me) ::raise(SIGKILL);
        for (;;) world.watch_peers();
      } else if (fault == "kill-root") {  // what it sent may still be with it
        std::vector<float> received(n, me ? 1.0f : 7.0f);
        request r = broadcast_async(world, received, culprit);
        if (me) ::raise(SIGKILL);
        r.wait();
        for (float v : received)
          if (v != 1) std::fprintf(stderr, "rank %d: garbage was taken for data\n", world.rank());
        for (;;) all_reduce(world, x);
      } else if (fault == "channels") {
        communicator more(world.home(), {.channel_bytes = me ? std::size_t{500} : std::size_t{1} << 20});
      } else if (fault == "late") {
        if (me) ::sleep(100);
        all_reduce(world, x, untouched);
      } else if (fault == "leave") {
        if (me) return;
        for (;;) all_reduce(world, x);
      }
      barrier(world);
      barrier(world);
    } catch (const error& e) {
      if (fault.find("part-") == 0)
        std::fprintf(stderr, "error of rank %d, operation %llu\n", e.rank(), static_cast<unsigned long long>(e.operation()));
      for (float v : untouched)
        if (v != 7) std::fprintf(stderr, "rank %d: a receive buffer was changed\n", world.rank());
      throw;
    }
    std::fprintf(stderr, "rank %d: nothing was noticed\n", world.rank());
  });
}
