// MPI's collectives beside Tutti's, with tutti-perf's command line. Which MPI it
// is, the compiler's flags say; how it is set, its launcher's:
//
//     mpirun -n 2 --mca pml ob1 peer-open-mpi all_reduce --max 64M --json
#include <cstring>
#include <string>
#include <type_traits>

#include <mpi.h>

#include "driver.hpp"

namespace {

using namespace benchmarks;

/// All-gathers of equal length.
class mpi_team {
 public:
  mpi_team() {
    ::MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    ::MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  int rank() const { return rank_; }
  int size() const { return size_; }
  tutti::contributions all_gather(tutti::bytes_view mine) const {
    tutti::buffer<std::byte> all(mine.size() * static_cast<std::size_t>(size_));
    ::MPI_Allgather(mine.data(), static_cast<int>(mine.size()), MPI_BYTE, all.data(), static_cast<int>(mine.size()),
                    MPI_BYTE, MPI_COMM_WORLD);
    tutti::contributions parts;
    for (std::size_t at = 0; at < all.size(); at += mine.size())
      parts.emplace_back(all.begin() + at, all.begin() + at + mine.size());
    return parts;
  }

 private:
  int rank_ = 0, size_ = 1;
};

template <class T>
MPI_Datatype datatype() {
  if constexpr (std::is_same_v<T, std::int8_t>) return MPI_INT8_T;
  else if constexpr (std::is_same_v<T, std::int32_t>) return MPI_INT32_T;
  else if constexpr (std::is_same_v<T, std::int64_t>) return MPI_INT64_T;
  else if constexpr (std::is_same_v<T, std::uint64_t>) return MPI_UINT64_T;
  else if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  else return MPI_DOUBLE;
}

MPI_Op operation(const std::string& name) {
  return name == "sum" ? MPI_SUM : name == "prod" ? MPI_PROD : name == "min" ? MPI_MIN : MPI_MAX;
}

template <class T>
void call(const problem& p, tutti::span<const T> in, tutti::span<T> out, MPI_Datatype type, MPI_Op op) {
  const int count = static_cast<int>(p.count()), block = static_cast<int>(p.block());
  switch (p.what) {
    case collective::all_reduce: ::MPI_Allreduce(in.data(), out.data(), count, type, op, MPI_COMM_WORLD); break;
    case collective::reduce_scatter:
      ::MPI_Reduce_scatter_block(in.data(), out.data(), block, type, op, MPI_COMM_WORLD);
      break;
    case collective::all_gather: ::MPI_Allgather(in.data(), block, type, out.data(), block, type, MPI_COMM_WORLD); break;
    case collective::broadcast: ::MPI_Bcast(out.data(), count, type, 0, MPI_COMM_WORLD); break;
    case collective::reduce: ::MPI_Reduce(in.data(), out.data(), count, type, op, 0, MPI_COMM_WORLD); break;
    case collective::gather: ::MPI_Gather(in.data(), block, type, out.data(), block, type, 0, MPI_COMM_WORLD); break;
    case collective::scan: ::MPI_Scan(in.data(), out.data(), count, type, op, MPI_COMM_WORLD); break;
    case collective::exclusive_scan: ::MPI_Exscan(in.data(), out.data(), count, type, op, MPI_COMM_WORLD); break;
    case collective::all_to_all: ::MPI_Alltoall(in.data(), block, type, out.data(), block, type, MPI_COMM_WORLD); break;
    case collective::scatter: ::MPI_Scatter(in.data(), block, type, out.data(), block, type, 0, MPI_COMM_WORLD); break;
    default: break;  // the barrier has no memory
  }
}

class mpi_library {
 public:
  mpi_team& team() { return team_; }

  std::string version() const {
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    ::MPI_Get_library_version(text, &length);
    text[std::strcspn(text, ",\n")] = '\0';
    for (char& c : text)
      if (c == '\t') c = ' ';
    return text;
  }

  const char* algorithm(collective) const { return "automatic"; }
  void barrier() const { ::MPI_Barrier(MPI_COMM_WORLD); }

  template <class T>
  auto call_for(const problem& p, const std::string& op) {
    return [p, type = datatype<T>(), op = operation(op)](tutti::span<const T> in, tutti::span<T> out) {
      call<T>(p, in, out, type, op);
    };
  }

 private:
  mpi_team team_;
};

}  // namespace

int main(int argc, char** argv) {
  perf_options options;
  if (auto code = command_line("peer-mpi", options).read(argc, argv)) return *code;
  ::MPI_Init(&argc, &argv);
  int code = has_no_such_call;
  try {
    options.check();
    mpi_library library;
    if (has_type(options.type)) code = driver(library, options).run();
    else if (library.team().rank() == 0) say_that_it_lacks("peer-mpi", options);
  } catch (const tutti::error& e) {
    std::fprintf(stderr, "peer-mpi: %s\n", e.what());
    ::MPI_Abort(MPI_COMM_WORLD, 2);
  }
  ::MPI_Finalize();
  return code;
}
