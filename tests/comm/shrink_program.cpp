// Ranks of which some are lost, one after another, as the first argument says:
// kill, stop, late or alive. The others shrink and go on.
// Usage: shrink_program [--ranks N] --survive FAULT VICTIM [VICTIM...]
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include <tutti/comm/collectives.hpp>
#include <tutti/launch/run.hpp>

using namespace tutti;

namespace {

// In the middle of an all-reduce.
struct falls {
  static constexpr bool commutative = true;
  int signal;
  float operator()(float a, float b) const {
    static int folded = 0;
    if (signal && ++folded == 5000) ::raise(signal);
    return a + b;
  }
};

std::string numbers(const communicator& c) {
  std::string text;
  for (int r = 0; r < c.size(); ++r) text += format("%s%d", r ? "," : "", c.world_rank(r));
  return text;
}

// Everything that the new one should be able to do.
void use(communicator& c) {
  long expected = 0;
  for (int r = 0; r < c.size(); ++r) expected += c.world_rank(r) + 1;
  for (std::size_t n : {std::size_t{1}, std::size_t{1000}, std::size_t{100000}}) {
    std::vector<float> x(n, static_cast<float>(c.world_rank() + 1));
    all_reduce(c, x);
    for (float v : x)
      if (v != static_cast<float>(expected)) throw std::logic_error("a wrong sum");
  }
  buffer<int> lent(c, 100000);
  for (int& v : lent) v = c.rank() == c.size() - 1 ? 5 : 0;
  broadcast(c, lent, c.size() - 1);
  for (int v : lent)
    if (v != 5) throw std::logic_error("a wrong broadcast");
  communicator again = c.duplicate({.progress = progress::thread});
  std::optional<communicator> half = again.split(c.rank() % 2);
  std::vector<int> y(10, 1);
  all_reduce(*half, y);
  if (y[9] != half->size()) throw std::logic_error("a wrong sum of a half");
  barrier(again);
}

void fall(communicator& c, const std::string& fault, bool me) {
  std::vector<float> x(100000, 1);
  if (fault == "alive") {
    all_reduce(c, span<float>(x).subspan(0, x.size() - me));
  } else if (fault == "late") {
    if (me) ::sleep(2);
    all_reduce(c, x);
  } else if (fault == "throw") {
    if (me) throw std::runtime_error("a full disk");
    for (;;) all_reduce(c, x);
  } else if (fault == "leave") {
    if (me) ::_exit(0);
    for (;;) all_reduce(c, x);
  } else {
    all_reduce(c, x, falls{me ? (fault == "stop" ? SIGSTOP : SIGKILL) : 0}, {.algorithm = algorithm::ring});
    for (;;) all_reduce(c, x);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return run(argc, argv, [&](communicator& world) {
    const std::string fault = argc > 1 ? argv[1] : "";
    std::optional<communicator> held;
    communicator* now = &world;
    for (int i = 2; i < argc; ++i) {
      const int victim = std::atoi(argv[i]);
      try {
        fall(*now, fault, now->world_rank() == victim);
      } catch (const error& e) {
        std::printf("rank %d: %s by rank %d\n", world.rank(), name_of(e.code()), e.rank());
      }
      std::fflush(stdout);
      communicator smaller = now->shrink();
      now = &held.emplace(std::move(smaller));
      use(*now);
    }
    std::printf("rank %d is %d of %s\n", world.rank(), now->rank(), numbers(*now).c_str());
    std::fflush(stdout);
    barrier(*now);
  });
}
