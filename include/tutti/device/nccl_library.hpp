#pragma once
#include <climits>
#include <cstddef>
#include <string>

#include <dlfcn.h>

#include <tutti/base/environment.hpp>
#include <tutti/base/error.hpp>

// NCCL's C interface, as far as it is used, and how it comes into a process: at run
// time, so that nobody needs it to compile or to link.

namespace tutti::nccl {

enum class result : int {
  success = 0,
  unhandled_cuda_error = 1,
  system_error = 2,
  internal_error = 3,
  invalid_argument = 4,
  invalid_usage = 5,
  remote_error = 6,
  in_progress = 7,
};
enum class element : int {
  int8 = 0,
  uint8 = 1,
  int32 = 2,
  uint32 = 3,
  int64 = 4,
  uint64 = 5,
  float16 = 6,
  float32 = 7,
  float64 = 8,
  bfloat16 = 9,
};
enum class reduction : int { sum = 0, product = 1, max = 2, min = 3 };

struct unique_id {
  char bytes[128];
};
struct opaque;
using handle = opaque*;  ///< of a communicator
using stream = void*;    ///< the runtime's

/// How a communicator is to be, as NCCL 2.14 lays it out; later ones take it by its size
/// and version. Calls of one that does not block return at once, maybe with `in_progress`:
/// then they are under way until `ncclCommGetAsyncError` says otherwise, and nothing else
/// may be asked before.
struct settings {
  std::size_t size = sizeof(settings);
  unsigned magic = 0xcafebeef, version = 21400;
  int blocking = 0;
  int unset = INT_MIN;  // lies where later ones have another setting
};
static_assert(sizeof(settings) == 24);

/// Under the names that the library exports.
struct functions {
  result (*ncclGetVersion)(int*) = nullptr;
  const char* (*ncclGetErrorString)(result) = nullptr;
  result (*ncclGetUniqueId)(unique_id*) = nullptr;
  result (*ncclCommInitRankConfig)(handle*, int ranks, unique_id, int rank, settings*) = nullptr;
  result (*ncclCommFinalize)(handle) = nullptr;
  result (*ncclCommDestroy)(handle) = nullptr;
  result (*ncclCommAbort)(handle) = nullptr;
  result (*ncclCommGetAsyncError)(handle, result*) = nullptr;
  result (*ncclAllReduce)(const void*, void*, std::size_t, element, reduction, handle, stream) = nullptr;
  result (*ncclReduceScatter)(const void*, void*, std::size_t, element, reduction, handle, stream) = nullptr;
  result (*ncclAllGather)(const void*, void*, std::size_t, element, handle, stream) = nullptr;
  result (*ncclBroadcast)(const void*, void*, std::size_t, element, int root, handle, stream) = nullptr;
  result (*ncclReduce)(const void*, void*, std::size_t, element, reduction, int root, handle, stream) = nullptr;
  result (*ncclSend)(const void*, std::size_t, element, int peer, handle, stream) = nullptr;
  result (*ncclRecv)(void*, std::size_t, element, int peer, handle, stream) = nullptr;
  result (*ncclGroupStart)() = nullptr;
  result (*ncclGroupEnd)() = nullptr;
};

/// 2.14: the first whose calls need not block, so that who waits can hear what has
/// become of the others.
inline constexpr int oldest = 21400;

/// As people write what the library calls 21803, or 2804: 2.18.3, or 2.8.4.
inline std::string version_text(int code) {
  const int scale = code < 10000 ? 1000 : 10000;
  return format("%d.%d.%d", code / scale, code % scale / 100, code % 100);
}

}  // namespace tutti::nccl

namespace tutti {

/// NCCL in this process. It stays there until the process ends, since it has threads.
class nccl_library {
 public:
  nccl_library() = default;

  /// Loads what `setting` names, else what `TUTTI_NCCL` names, else `libnccl.so.2`; where
  /// that is `off`, none. An empty `TUTTI_NCCL` names nothing, as if it were not set. Throws
  /// `not_supported` where it is not there, is older than 2.14 or lacks a function.
  explicit nccl_library(const std::string& setting) {
    const char* const told = environment("TUTTI_NCCL");
    path_ = !setting.empty() ? setting : told ? told : "libnccl.so.2";
    if (path_ == "off") throw error(errc::not_supported, "NCCL is off, as TUTTI_NCCL or the program says");
    void* const found = ::dlopen(path_.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!found) {
      const char* const why = ::dlerror();
      throw error(errc::not_supported, format("NCCL is not here: %s", why ? why : path_.c_str()));
    }
    load(found, "ncclGetVersion", call_.ncclGetVersion);
    load(found, "ncclGetErrorString", call_.ncclGetErrorString);
    check(call_.ncclGetVersion(&version_), "ncclGetVersion");
    if (version_ < nccl::oldest)
      throw error(errc::not_supported, format("NCCL %s, loaded from %s, is too old: it takes %s or newer", nccl::version_text(version_).c_str(),
                                              path_.c_str(), nccl::version_text(nccl::oldest).c_str()));
    load(found, "ncclGetUniqueId", call_.ncclGetUniqueId);
    load(found, "ncclCommInitRankConfig", call_.ncclCommInitRankConfig);
    load(found, "ncclCommFinalize", call_.ncclCommFinalize);
    load(found, "ncclCommDestroy", call_.ncclCommDestroy);
    load(found, "ncclCommAbort", call_.ncclCommAbort);
    load(found, "ncclCommGetAsyncError", call_.ncclCommGetAsyncError);
    load(found, "ncclAllReduce", call_.ncclAllReduce);
    load(found, "ncclReduceScatter", call_.ncclReduceScatter);
    load(found, "ncclAllGather", call_.ncclAllGather);
    load(found, "ncclBroadcast", call_.ncclBroadcast);
    load(found, "ncclReduce", call_.ncclReduce);
    load(found, "ncclSend", call_.ncclSend);
    load(found, "ncclRecv", call_.ncclRecv);
    load(found, "ncclGroupStart", call_.ncclGroupStart);
    load(found, "ncclGroupEnd", call_.ncclGroupEnd);
  }

  /// NCCL's number, such as 21803.
  int version() const { return version_; }
  const std::string& path() const { return path_; }
  const nccl::functions& call() const { return call_; }

  /// Throws `device`, with NCCL's own words, unless `answer` says that all is well, or will
  /// be heard of by `ncclCommGetAsyncError`.
  void check_begun(nccl::result answer, const char* function) const {
    if (answer != nccl::result::in_progress) check(answer, function);
  }
  /// The same, unless all is well.
  void check(nccl::result answer, const char* function) const {
    if (answer == nccl::result::success) return;
    throw error(errc::device, format("%s: %s (NCCL %s, result %d)", function, call_.ncclGetErrorString(answer),
                                     nccl::version_text(version_).c_str(), static_cast<int>(answer)));
  }

 private:
  template <class Function>
  void load(void* from, const char* name, Function& into) const {
    void* const found = ::dlsym(from, name);
    if (!found) throw error(errc::not_supported, format("%s is no NCCL that can be used: it has no %s", path_.c_str(), name));
    into = reinterpret_cast<Function>(found);
  }

  std::string path_{};
  int version_ = 0;
  nccl::functions call_{};
};

}  // namespace tutti
