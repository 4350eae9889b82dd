// Times Tutti's collectives over a range of sizes, checks every result, and
// prints what nccl-tests print, with what the model predicted beside it.
//
//     tutti-perf all_reduce --ranks 2 --min 8 --max 64M
//     mpirun -n 2 tutti-perf all_reduce          (built with PMIx)
#include "perf.hpp"

#if TUTTI_PERF_PMIX
#include <tutti/launch/pmix.hpp>
#endif

int main(int argc, char** argv) { return benchmarks::perf_main(argc, argv); }
