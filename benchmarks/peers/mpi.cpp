// MPI's collectives by the same method, on the same operands and in private
// buffers, with tutti-perf's command line and lines of JSON or text:
//
//     mpirun -n 2 peer-open-mpi all_reduce --max 64M --json
#include <cstdio>
#include <string>
#include <type_traits>

#include <mpi.h>

#include "../measure.hpp"
#include "../options.hpp"
#include "../report.hpp"

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
  else if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  else throw tutti::error(tutti::errc::not_supported, "MPI has no such type");
}

template <class Op>
MPI_Op operation() {
  if constexpr (std::is_same_v<Op, tutti::plus>) return MPI_SUM;
  else if constexpr (std::is_same_v<Op, tutti::multiplies>) return MPI_PROD;
  else if constexpr (std::is_same_v<Op, tutti::minimum>) return MPI_MIN;
  else return MPI_MAX;
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
    case collective::barrier: ::MPI_Barrier(MPI_COMM_WORLD); break;
    case collective::gather: ::MPI_Gather(in.data(), block, type, out.data(), block, type, 0, MPI_COMM_WORLD); break;
    case collective::scan: ::MPI_Scan(in.data(), out.data(), count, type, op, MPI_COMM_WORLD); break;
    case collective::exclusive_scan: ::MPI_Exscan(in.data(), out.data(), count, type, op, MPI_COMM_WORLD); break;
    case collective::all_to_all: ::MPI_Alltoall(in.data(), block, type, out.data(), block, type, MPI_COMM_WORLD); break;
    case collective::scatter: ::MPI_Scatter(in.data(), block, type, out.data(), block, type, 0, MPI_COMM_WORLD); break;
  }
}

class program {
 public:
  explicit program(const perf_options& options) : options_(options) { timing_.iterations = options.iterations; }

  int run() {
    char version[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    ::MPI_Get_library_version(version, &length);
    version[std::strcspn(version, ",\n")] = '\0';
    std::FILE* to = options_.json ? stderr : stdout;
    if (team_.rank() == 0) std::fprintf(to, "# %s: %s, %d ranks\n", version, options_.what.c_str(), team_.size());
    if (team_.rank() == 0 && !options_.json) print_head(to);

    const collective what = options_.kind();
    if (what == collective::barrier)
      report({.what = what, .ranks = team_.size()}, measure_barrier(team_, timing_, [] { ::MPI_Barrier(MPI_COMM_WORLD); }));
    else
      with_type(options_.type, [&]<class T>(T) {
        with_operation(tutti::reduces(what) ? options_.operation : "sum", [&]<class Op>(Op) {
          sizes<T>(make_operands<T, Op>, operation<Op>());
        });
      });
    return wrong_ > 0;
  }

 private:
  template <class T>
  void sizes(typename workload<T>::maker make, MPI_Op op) {
    const MPI_Datatype type = datatype<T>();
    for (const problem& p : problems(options_.kind(), team_.size(), sizeof(T), options_.least, options_.most, options_.factor))
      report(p, measure<T>(team_, p, make, timing_, [&](auto in, auto out) { call<T>(p, in, out, type, op); }));
  }

  void report(const problem& p, const measurement& m) {
    wrong_ += m.wrong;
    if (team_.rank() != 0) return;
    const row r{.of = p, .type = p.what == collective::barrier ? "none" : options_.type,
                .operation = tutti::reduces(p.what) ? options_.operation : "none", .algorithm = "automatic",
                .seconds = m.seconds, .wrong = m.wrong};
    if (options_.json) print_json(stdout, r);
    else print_line(stdout, r);
  }

  const perf_options& options_;
  mpi_team team_;
  timing_options timing_{};
  std::size_t wrong_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  perf_options options;
  if (auto code = command_line("peer-mpi", options).read(argc, argv)) return *code;
  ::MPI_Init(&argc, &argv);
  int code = 2;
  try {
    options.check();
    code = program(options).run();
  } catch (const tutti::error& e) {
    std::fprintf(stderr, "peer-mpi: %s\n", e.what());
    ::MPI_Abort(MPI_COMM_WORLD, 2);
  }
  ::MPI_Finalize();
  return code;
}
