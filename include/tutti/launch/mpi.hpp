#pragma once
// Joins the processes of an MPI communicator. Not part of <tutti/tutti.hpp>:
// include it, and compile and link with an MPI of version 3 or newer.
#include <cstddef>
#include <cstdint>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

#include <mpi.h>

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/error.hpp>

namespace tutti {

/// The processes of an MPI communicator, each with the rank that it has there,
/// for a program that has MPI already. MPI carries addresses only; what the
/// session then sends goes past it. Move-only; must go before MPI_Finalize.
class mpi_bootstrap {
 public:
  /// Collective over `ranks`, of which it makes a duplicate: the program's own
  /// messages, and what it does about errors of MPI, are left alone. Throws
  /// `launch` outside of MPI_Init and MPI_Finalize, `invalid_argument` where
  /// `ranks` is no communicator of one group of processes, or where MPI may not
  /// be called by this thread.
  explicit mpi_bootstrap(MPI_Comm ranks) {
    check_mpi();
    int between_groups = 0;
    if (ranks != MPI_COMM_NULL) check("MPI_Comm_test_inter", ::MPI_Comm_test_inter(ranks, &between_groups));
    if (ranks == MPI_COMM_NULL || between_groups)
      throw error(errc::invalid_argument, format("mpi_bootstrap: %s: give it an intracommunicator, such as MPI_COMM_WORLD",
                                                 between_groups ? "an intercommunicator" : "MPI_COMM_NULL"));
    check("MPI_Comm_dup", ::MPI_Comm_dup(ranks, &ranks_));
    ::MPI_Comm_set_errhandler(ranks_, MPI_ERRORS_RETURN);
    ::MPI_Comm_rank(ranks_, &rank_);
    ::MPI_Comm_size(ranks_, &size_);
  }
  mpi_bootstrap(mpi_bootstrap&& other) noexcept
      : ranks_(std::exchange(other.ranks_, MPI_COMM_NULL)), rank_(other.rank_), size_(other.size_) {}
  mpi_bootstrap& operator=(mpi_bootstrap&&) = delete;
  ~mpi_bootstrap() {
    int over = 0;
    ::MPI_Finalized(&over);
    // Freeing is collective: a rank on its way out of an exception leaves it.
    if (ranks_ != MPI_COMM_NULL && !over && std::uncaught_exceptions() == 0) ::MPI_Comm_free(&ranks_);
  }

  int rank() const { return rank_; }
  int size() const { return size_; }

  /// Throws `launch`, with what MPI says, where MPI fails and returns; an error
  /// on all ranks where all contributions together are 2 GiB or more.
  contributions all_gather(bytes_view mine) {
    const auto ranks = static_cast<std::size_t>(size_);
    const std::uint64_t length = mine.size();
    std::vector<std::uint64_t> lengths(ranks);
    check("MPI_Allgather", ::MPI_Allgather(&length, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, ranks_));
    std::vector<int> counts(ranks), places(ranks);
    std::uint64_t total = 0;
    for (std::size_t r = 0; r < ranks; ++r) {
      if (lengths[r] > std::numeric_limits<int>::max() - total)
        throw error(errc::not_supported, "mpi_bootstrap: an all-gather of 2 GiB or more: MPI's counts are ints");
      counts[r] = static_cast<int>(lengths[r]);
      places[r] = static_cast<int>(total);
      total += lengths[r];
    }
    std::vector<std::byte> together(total);
    check("MPI_Allgatherv", ::MPI_Allgatherv(mine.data(), counts[static_cast<std::size_t>(rank_)], MPI_BYTE, together.data(),
                                             counts.data(), places.data(), MPI_BYTE, ranks_));
    contributions all;
    for (std::size_t r = 0; r < ranks; ++r) {
      const auto begin = together.begin() + places[r];
      all.emplace_back(begin, begin + counts[r]);
    }
    return all;
  }

 private:
  static void check_mpi() {
    int ready = 0, over = 0, threads = MPI_THREAD_SINGLE, first = 0;
    ::MPI_Initialized(&ready);
    ::MPI_Finalized(&over);
    if (!ready || over)
      throw error(errc::launch, ready ? "mpi_bootstrap: after MPI_Finalize" : "mpi_bootstrap: call MPI_Init first");
    ::MPI_Query_thread(&threads);
    ::MPI_Is_thread_main(&first);
    if (threads < MPI_THREAD_SERIALIZED && !first)
      throw error(errc::invalid_argument,
                  "mpi_bootstrap: this is not the thread that called MPI_Init: ask MPI_Init_thread for MPI_THREAD_SERIALIZED");
  }

  static void check(const char* call, int status) {
    if (status == MPI_SUCCESS) return;
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    ::MPI_Error_string(status, text, &length);
    throw error(errc::launch, format("%s: %s", call, text));
  }

  MPI_Comm ranks_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1;
};

}  // namespace tutti
