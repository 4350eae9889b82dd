// Messages between processes, on whatever link they have.
// Usage: messages_program --ranks N cases|mixed SEED MANY, where `mixed` joins
// rank 1 to all others by messages; --ranks N allocations; or --ranks N FAULT
// CULPRIT COUNT, of which one does something wrong.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <signal.h>
#include <unistd.h>

#include <tutti/launch/run.hpp>

#include "message_cases.hpp"

extern std::atomic<long> allocations;  // see counting_new.cpp

using namespace tutti;

namespace {

void allocate_nothing(communicator& world) {
  communicator threaded = world.duplicate({.progress = progress::thread});
  std::vector<float> x(40000, 1), y(40000);
  const int to = (world.rank() + 1) % world.size(), from = (world.rank() + world.size() - 1) % world.size();
  std::vector<request> requests(40);
  std::vector<outgoing<float>> sends;
  std::vector<incoming<float>> receives;
  for (std::size_t k = 0; k < 3; ++k) {
    sends.push_back({to, {x.data() + 1000 * k, 1000 + k}});
    receives.push_back({from, {y.data() + 2000 * k, 1000 + k}});
  }
  auto pass = [&](communicator& c) {
    for (std::size_t n : {std::size_t{0}, std::size_t{2}, std::size_t{3000}, std::size_t{40000}})
      send_recv(c, span<float>(x.data(), n), to, span<float>(y.data(), n), from);
    neighbour_exchange(c, sends, receives);
    // Some are there before they are asked for, some are not.
    for (std::size_t k = 0; k < 20; ++k) requests[k] = send_async(c, span<float>(x.data(), 50 * k), to, static_cast<int>(k % 2));
    if (world.rank() % 2 == 0) barrier(world);
    for (std::size_t k = 0; k < 20; ++k) requests[20 + k] = recv_async(c, span<float>(y.data() + 1000 * k, 50 * k), from, static_cast<int>(k % 2));
    if (world.rank() % 2 != 0) barrier(world);
    for (request& r : requests) r.wait();
  };
  for (int i = 0; i < 3; ++i) pass(world), pass(threaded);
  barrier(world);
  barrier(world);
  const long before = allocations;
  for (int i = 0; i < 20; ++i) pass(world), pass(threaded);
  barrier(world);
  const long after = allocations;
  barrier(world);  // nobody goes on before all have counted
  if (after != before) throw error(errc::data, format("rank %d: %ld allocations", world.rank(), after - before), world.rank());
}

void fail(communicator& world, const std::string& fault, int culprit, std::size_t n) {
  const bool me = world.rank() == culprit;
  const int other = culprit == 0 ? 1 : 0, last = world.size() - 1;
  std::vector<float> x(n, 1), untouched(n, 7), received(n);
  std::vector<int> y(n, 1);
  for (int i = 0; i < 3; ++i) {
    const int to = (world.rank() + 1) % world.size(), from = (world.rank() + world.size() - 1) % world.size();
    send_recv(world, x, to, received, from, 5);
  }
  barrier(world);
  try {
    const bool later = fault.find("-later") != std::string::npos;
    if (fault.find("count") == 0 || fault.find("type") == 0) {
      if (me) {
        request r = fault.find("count") == 0 ? send_async(world, span<float>(x).subspan(0, n - 1), other, 3) : send_async(world, y, other, 3);
        if (later) barrier(world);
        r.wait();
      } else {
        if (later) barrier(world);
        if (world.rank() == other) recv(world, untouched, culprit, 3);
      }
    } else if (fault == "kill") {
      if (me) ::raise(SIGKILL);
      recv(world, received, culprit, 1);
    } else if (fault == "kill-middle" || fault == "stop-middle") {
      if (me) {
        request r = send_async(world, x, other, 1);
        for (int i = 0; i < 20; ++i) r.test();
        ::raise(fault == "kill-middle" ? SIGKILL : SIGSTOP);
      } else if (world.rank() == other) {
        recv(world, received, culprit, 1);
        recv(world, received, culprit, 2);
      }
    } else if (fault == "kill-receiver") {
      if (me) ::raise(SIGKILL);
      for (;;) send(world, x, culprit, 1);
    } else if (fault == "both-send") {
      if (world.rank() != last || last < 2) send(world, x, 1 - world.rank(), 2);
    } else if (fault == "late") {
      if (me) ::sleep(100);
      if (world.rank() == other) recv(world, untouched, culprit, 2);
    } else if (fault == "own") {
      if (me) recv(world, untouched, culprit, 2);
    } else if (fault == "leave") {
      if (me) return;
      if (world.rank() == other) recv(world, untouched, culprit, 2);
    }
    barrier(world);
    barrier(world);
  } catch (const error&) {
    for (float v : untouched)
      if (v != 7) std::fprintf(stderr, "rank %d: a receive buffer was changed\n", world.rank());
    throw;
  }
  std::fprintf(stderr, "rank %d: nothing was noticed\n", world.rank());
}

}  // namespace

int main(int argc, char** argv) {
  return run_ranks(argc, argv, [&](any_bootstrap& ranks) {
    const std::string what = argc > 1 ? argv[1] : "cases";
    if (what == "mixed" && ranks.rank() == 1) ::setenv("TUTTI_LINK", "message", 1);
    session joined(ranks);
    communicator world(joined);
    try {
      if (what == "allocations") allocate_nothing(world);
      else if (what == "cases" || what == "mixed")
        message_cases::check_everywhere(world, static_cast<unsigned>(std::atol(argv[2])), static_cast<std::size_t>(std::atol(argv[3])));
      else return fail(world, what, std::atoi(argv[2]), static_cast<std::size_t>(std::atol(argv[3])));
    } catch (const std::exception& e) {
      joined.abandon(e.what());
      throw;
    }
    if (world.rank() == 0) std::printf("%d ranks: right\n", world.size());
  });
}
