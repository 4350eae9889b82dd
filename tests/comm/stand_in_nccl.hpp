#pragma once
// What the tests and the library that stands in for NCCL know of each other.
#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <vector>

#include <tutti/device/nccl_library.hpp>

namespace stand_in {

/// One call, as NCCL got it; `root` is the peer of a send or receive.
struct request {
  std::string function;
  const void* input = nullptr;
  void* output = nullptr;
  std::size_t count = 0;
  tutti::nccl::element type{};
  tutti::nccl::reduction op{};
  int root = -1;
  tutti::nccl::stream stream = nullptr;
  int rank = -1;
  tutti::nccl::handle comm = nullptr;
};

/// Has a stream do `task(argument)` when its turn comes.
using giver = void (*)(void* stream, void (*task)(void*), void* argument);

/// Is told that this rank asked whether it has joined, and how often before.
using listener = void (*)(int rank, int times);

struct orders {
  giver give = nullptr;
  std::string fails = {};  ///< the function that fails, or `late`
  int failing_rank = -1;   ///< −1: all
  int version = 0;         ///< 0: as it was
  int stuck_rank = -1;     ///< it never joins the others
  listener asked_to_join = nullptr;
};
struct report {
  std::vector<request> asked{};
  int alive = 0, aborted = 0;  ///< its communicators: there yet, and aborted since the last report
  int began_to_end = 0;        ///< called ncclCommFinalize since then
  int joins = 0, blocking = 0; ///< asked to join, and those of them that would have had calls block
};

inline report tell(const std::string& path, const orders& told = {}) {
  void* const found = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!found) throw std::logic_error("the stand-in for NCCL is not there");
  const auto call = reinterpret_cast<void (*)(const orders&, report*)>(::dlsym(found, "stand_in_nccl"));
  report said;
  call(told, &said);
  return said;
}

}  // namespace stand_in
