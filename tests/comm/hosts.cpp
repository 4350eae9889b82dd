// Ranks in two network namespaces, which are hosts to each other.
#include <random>
#include <string>

#include <doctest/doctest.h>

#include "../ranks.hpp"

namespace {

/// Starts the program there, where that can be done; else its code is 77.
ranks::ended start_on(const char* hosts, const char* what, const char* program = HOSTS_PROGRAM, const char* seed = "") {
  return ranks::start({"/bin/sh", LAUNCH_SCRIPTS "/namespaces.sh", "--hosts", hosts, "10.77.0.1", program, what, seed},
                      {{"TUTTI_DEADLINE", "120"}});
}

bool ends_right(const ranks::ended& ended, const char* last) {
  if (ended.code == 77) {
    MESSAGE(ended.output);
    return true;
  }
  INFO(ended.output);
  CHECK(ended.code == 0);
  CHECK(ended.left_behind == "");
  return ended.output.find(last) != std::string::npos;
}

}  // namespace

TEST_CASE("every call between two hosts of two ranks, of ranks that take turns, and of unequal numbers") {
  CHECK(ends_right(start_on("0 0 1 1", "cases"), "4 ranks on 2 hosts: right\n"));
  CHECK(ends_right(start_on("0 1 0 1", "cases"), "4 ranks on 2 hosts: right\n"));
  CHECK(ends_right(start_on("0 0 1 0 1", "cases"), "5 ranks on 2 hosts: right\n"));
}

TEST_CASE("a cable between hosts that is cut ends every rank's call, long before the deadline") {
  const ranks::ended ended = start_on("0 0 1 1", "cut");
  for (const char* rank : {"0", "1", "2", "3"})
    CHECK(ends_right(ended, ("rank " + std::string(rank) + " lost a rank of the other host\n").c_str()));
}

TEST_CASE("two hosts of two ranks send to each other what one rank of each would") {
  for (const char* hosts : {"0 0 1 1", "0 1 0 1"}) {
    const ranks::ended ended = start_on(hosts, "bytes");
    CHECK(ends_right(ended, "4 ranks on 2 hosts: right\n"));
    CHECK(ends_right(ended, "all_reduce of 4194304 bytes: each of 2 hosts of 2 ranks sent 4194304 to others\n"));
  }
}

TEST_CASE("collectives on device memory by messages between two hosts, of two ranks and of one") {
  const std::string seed = std::to_string(std::random_device{}() % 1000000);
  INFO("seed " << seed);
  CHECK(ends_right(start_on("0 0 1", "cases", DEVICE_PROGRAM, seed.c_str()), "3 ranks: right\n"));
}
