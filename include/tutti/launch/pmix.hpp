#pragma once
// Joins ranks under a launcher that speaks PMIx, such as Open MPI's mpirun,
// without MPI. Not part of <tutti/tutti.hpp>: include it, and link libpmix
// (pkg-config pmix); `run` then knows of it.
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"  // inline functions of PMIx 4.2
#include <pmix.h>
#pragma GCC diagnostic pop

#include <tutti/base/bootstrap.hpp>
#include <tutti/base/error.hpp>
#include <tutti/launch/any_bootstrap.hpp>
#include <tutti/launch/environment.hpp>
#include <tutti/launch/rank_list.hpp>

namespace tutti {

/// The ranks of a PMIx job. Each contribution is published under a key of its
/// own and fenced, so use it for addresses, not for data. A process has one at
/// a time. Move-only.
///
/// A rank that gives up tells nobody: it ends, and the launcher then ends the
/// job. (PMIx_Abort would say more, but Debian 12's mpirun at times crashes or
/// hangs on it.)
class pmix_bootstrap {
 public:
  /// Throws `launch` where no PMIx server answers.
  explicit pmix_bootstrap(double timeout = 300) : timeout_(timeout) {
    pmix_status_t status = ::PMIx_Init(&me_, nullptr, 0);
    if (status != PMIX_SUCCESS)
      throw error(errc::launch, format("PMIx_Init: %s (was this started by mpirun?)", ::PMIx_Error_string(status)));
    joined_ = true;
    size_ = static_cast<int>(job_size());
  }
  pmix_bootstrap(pmix_bootstrap&& other) noexcept
      : me_(other.me_), joined_(std::exchange(other.joined_, false)), size_(other.size_), timeout_(other.timeout_),
        round_(other.round_) {}
  pmix_bootstrap& operator=(pmix_bootstrap&&) = delete;
  ~pmix_bootstrap() {
    if (joined_) ::PMIx_Finalize(nullptr, 0);
  }

  int rank() const { return static_cast<int>(me_.rank); }
  int size() const { return size_; }

  /// Throws `rank_died` where the launcher knows that ranks have ended, and
  /// names them; `launch`, with what PMIx says, where anything else fails.
  contributions all_gather(bytes_view mine) {
    std::string key = format("tutti.%llu", static_cast<unsigned long long>(++round_));
    pmix_value_t value;
    std::memset(&value, 0, sizeof value);
    value.type = PMIX_BYTE_OBJECT;
    value.data.bo.bytes = const_cast<char*>(reinterpret_cast<const char*>(mine.data()));  // PMIx copies it
    value.data.bo.size = mine.size();
    check("PMIx_Put", ::PMIx_Put(PMIX_GLOBAL, key.c_str(), &value));
    check("PMIx_Commit", ::PMIx_Commit());
    bool complete = fence();
    contributions all(static_cast<std::size_t>(size_));
    std::vector<int> missing;
    for (int r = 0; r < size_; ++r)
      if (!get(r, key.c_str(), all[static_cast<std::size_t>(r)], complete)) missing.push_back(r);
    if (!missing.empty())
      throw error(errc::rank_died, format("%s of %d ended while others waited for an all-gather of the bootstrap",
                                          rank_list(missing).c_str(), size_), missing.front());
    return all;
  }

 private:
  std::uint32_t job_size() {
    pmix_proc_t all = me_;
    all.rank = PMIX_RANK_WILDCARD;
    pmix_value_t* got = nullptr;
    check("PMIx_Get(PMIX_JOB_SIZE)", ::PMIx_Get(&all, PMIX_JOB_SIZE, nullptr, 0, &got));
    std::uint32_t size = got->data.uint32;
    PMIX_VALUE_RELEASE(got);
    return size;
  }

  /// False where a rank has ended, so that its contribution may be missing.
  bool fence() {
    pmix_info_t info[2];
    bool collect = true;
    int seconds = static_cast<int>(timeout_) + 1;
    PMIX_INFO_LOAD(&info[0], PMIX_COLLECT_DATA, &collect, PMIX_BOOL);
    PMIX_INFO_LOAD(&info[1], PMIX_TIMEOUT, &seconds, PMIX_INT);
    pmix_status_t status = ::PMIx_Fence(nullptr, 0, info, 2);
    PMIX_INFO_DESTRUCT(&info[0]);
    PMIX_INFO_DESTRUCT(&info[1]);
    if (status == PMIX_ERR_PARTIAL_SUCCESS) return false;
    check("PMIx_Fence", status);
    return true;
  }

  /// What a rank has given; false where it is missing since the rank has ended.
  bool get(int rank, const char* key, std::vector<std::byte>& to, bool complete) const {
    pmix_proc_t who = me_;
    who.rank = static_cast<pmix_rank_t>(rank);
    pmix_value_t* got = nullptr;
    pmix_info_t info;
    bool now = true;  // do not wait for a key that a rank may still publish: none will
    PMIX_INFO_LOAD(&info, PMIX_IMMEDIATE, &now, PMIX_BOOL);
    pmix_status_t status = ::PMIx_Get(&who, key, &info, 1, &got);
    PMIX_INFO_DESTRUCT(&info);
    // A fence may be complete without a rank that ended before it.
    if (status != PMIX_SUCCESS && (!complete || status == PMIX_ERR_NOT_FOUND)) return false;
    check("PMIx_Get", status, rank);
    if (got->type == PMIX_BYTE_OBJECT) {
      auto* bytes = reinterpret_cast<const std::byte*>(got->data.bo.bytes);
      to.assign(bytes, bytes + got->data.bo.size);
    }
    PMIX_VALUE_RELEASE(got);
    return true;
  }

  void check(const char* call, pmix_status_t status, int rank = -1) const {
    if (status == PMIX_SUCCESS) return;
    throw error(status == PMIX_ERR_TIMEOUT ? errc::deadline : errc::launch,
                format("%s: %s", call, ::PMIx_Error_string(status)), rank);
  }

  pmix_proc_t me_{};
  bool joined_ = false;
  int size_ = 1;
  double timeout_;
  std::uint64_t round_ = 0;
};

namespace detail {
inline const bool pmix_registered =
    (join_through_pmix = [](double timeout) { return any_bootstrap(pmix_bootstrap(timeout)); }, true);
}

}  // namespace tutti
