// Collectives on the memory of devices by messages between processes. The devices are the
// host's, and its memory is moved as a device's would be.
// Usage: device_program --ranks N cases SEED, or --ranks N kill CULPRIT COUNT.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <signal.h>

#include <tutti/launch/run.hpp>

#include "device_cases.hpp"

namespace {

using namespace tutti;

bool dies = false;
struct deadly_plus {
  static constexpr bool commutative = true;
  int operator()(int a, int b) const {
    if (dies) ::raise(SIGKILL);
    return a + b;
  }
};

// One rank dies in its first fold, whose sums the others wait for.
void kill_one(communicator& world, int culprit) {
  device_cases::fake there(world, host_device::device{.messages_move = memory_kind::as_cuda}, {.window_bytes = 65536, .prefer_messages = true});
  host_device::stream stream;
  std::vector<int> x(100000, 1), y(x);
  auto call = [&] {
    all_reduce(there, x, y, deadly_plus{}, &stream, {.algorithm = algorithm::two_shot});
    stream.wait();
  };
  for (int k = 0; k < 3; ++k) call();
  dies = world.rank() == culprit;
  call();
  std::fprintf(stderr, "rank %d: nothing was noticed\n", world.rank());
}

}  // namespace

int main(int argc, char** argv) {
  return run_ranks(argc, argv, [&](any_bootstrap& ranks) {
    const std::string what = argc > 1 ? argv[1] : "cases";
    // One rank that windows do not join to the others.
    if (what == "mixed" && ranks.rank() == 1) ::setenv("TUTTI_LINK", "message", 1);
    session joined(ranks);
    communicator world(joined);
    const int number = std::atoi(argv[2]);
    if (what == "kill") return kill_one(world, number);
    try {
      const std::uint64_t before = joined.counters().over(link_kind::message).bytes;
      device_cases::check_all(world, static_cast<unsigned>(number), memory_kind::as_cuda);
      // Of the long sum alone as much leaves this rank, over whatever link the host's go.
      const std::uint64_t sent = joined.counters().over(link_kind::message).bytes - before;
      cases::need(sent >= 700001 * sizeof(std::uint32_t), format("%zu bytes went by messages", static_cast<std::size_t>(sent)), 700001, world);
      // The library here may have been built without CUDA: then all ranks know.
      device_cases::fake real(world, host_device::device{.fault = "another host", .messages_move = memory_kind::cuda});
      const std::string why = real.why_not_messages();
      cases::need(why.empty() || why.find("rank 0: UCX does not move the memory of CUDA devices here") == 0, "says " + why, 0, world);
    } catch (const std::exception& e) {
      joined.abandon(e.what());
      throw;
    }
    if (world.rank() == 0) std::printf("%d ranks: right\n", world.size());
  });
}
