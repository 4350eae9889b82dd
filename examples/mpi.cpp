// A program that has MPI already, and uses Tutti beside it.
#include <cstdio>
#include <vector>

#include <tutti/launch/mpi.hpp>
#include <tutti/tutti.hpp>

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    tutti::mpi_bootstrap ranks(MPI_COMM_WORLD);
    tutti::session joined(ranks);
    tutti::communicator world(joined);
    std::vector<int> x{world.rank()};
    tutti::all_reduce(world, x, tutti::plus{});
    std::printf("rank %d of %d: %d\n", world.rank(), world.size(), x[0]);
  }
  MPI_Finalize();
}
