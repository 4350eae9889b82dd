// A program of MPI that hands its communicators in. What it does is its first word.
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include <tutti/launch/mpi.hpp>
#include <tutti/tutti.hpp>

namespace {

/// A line in one write: ranks share what it goes to.
void say(std::string line) {
  line += '\n';
  [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, line.data(), line.size());
}

/// The message of the error that `act` throws.
template <class Act>
std::string refusal(Act act) {
  try {
    act();
  } catch (const tutti::error& e) {
    return tutti::format("%s: %s", tutti::name_of(e.code()), e.what());
  }
  return "no error";
}

/// What rank r gives in a round: nothing at times, at most some 100 KB.
std::vector<std::byte> contribution(int rank, int round) {
  return std::vector<std::byte>(static_cast<std::size_t>((rank * 7919 + round * 104729) % 100003 * (round % 3)),
                                static_cast<std::byte>(rank * 16 + round));
}

void gather(tutti::mpi_bootstrap& ranks) {
  for (int round = 0; round < 4; ++round) {
    const tutti::contributions all = ranks.all_gather(contribution(ranks.rank(), round));
    if (static_cast<int>(all.size()) != ranks.size()) throw std::runtime_error("wrong number of contributions");
    for (int r = 0; r < ranks.size(); ++r)
      if (all[static_cast<std::size_t>(r)] != contribution(r, round))
        throw std::runtime_error(tutti::format("wrong contribution of rank %d in round %d", r, round));
  }
}

/// The sum of all ranks' numbers from 1, through Tutti.
int sum_of_ranks(tutti::mpi_bootstrap& ranks) {
  tutti::session joined(ranks);
  tutti::communicator world(joined);
  std::vector<int> x{world.rank() + 1};
  tutti::all_reduce(world, x, tutti::plus{});
  return x[0];
}

/// Every rank of all, and then the odd and the even ones as worlds of their own,
/// while messages of the program's own are under way.
void join() {
  int rank = 0, size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  int mine = rank, theirs = -1;
  MPI_Request both[2];
  MPI_Irecv(&theirs, 1, MPI_INT, (rank + size - 1) % size, MPI_ANY_TAG, MPI_COMM_WORLD, &both[0]);
  tutti::mpi_bootstrap ranks(MPI_COMM_WORLD);
  if (ranks.rank() != rank || ranks.size() != size) throw std::runtime_error("other ranks than MPI's");
  gather(ranks);
  say(tutti::format("rank %d of %d: %d", rank, size, sum_of_ranks(ranks)));
  MPI_Isend(&mine, 1, MPI_INT, (rank + 1) % size, 3, MPI_COMM_WORLD, &both[1]);
  MPI_Waitall(2, both, MPI_STATUSES_IGNORE);
  if (theirs != (rank + size - 1) % size) throw std::runtime_error("a message of the program's own went astray");

  MPI_Comm half;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, -rank, &half);  // backwards
  tutti::mpi_bootstrap others(half);
  MPI_Comm_free(&half);
  tutti::mpi_bootstrap moved(std::move(others));
  say(tutti::format("half %d, rank %d of %d: %d", rank % 2, moved.rank(), moved.size(), sum_of_ranks(moved)));
}

void bad_input() {
  say("null: " + refusal([] { tutti::mpi_bootstrap ranks(MPI_COMM_NULL); }));
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm half, between;
  MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &half);
  MPI_Intercomm_create(half, 0, MPI_COMM_WORLD, 1 - rank % 2, 1, &between);
  say("between: " + refusal([&] { tutti::mpi_bootstrap ranks(between); }));
  std::thread([] { say("thread: " + refusal([] { tutti::mpi_bootstrap ranks(MPI_COMM_WORLD); })); }).join();
  MPI_Comm_free(&between);
  MPI_Comm_free(&half);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "join";
  if (what == "bad") say("before: " + refusal([] { tutti::mpi_bootstrap ranks(MPI_COMM_WORLD); }));
  MPI_Init(nullptr, nullptr);
  int code = 0;
  try {
    if (what == "join") join();
    else bad_input();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    code = 1;
  }
  MPI_Finalize();
  if (what == "bad") say("after: " + refusal([] { tutti::mpi_bootstrap ranks(MPI_COMM_WORLD); }));
  return code;
}
