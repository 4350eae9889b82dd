#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace tutti {

/// What went wrong, for programs; `error::what()` says it for people.
enum class errc : std::uint8_t {
  invalid_argument,  ///< a value that the call cannot take
  mismatch,          ///< ranks called different things
  rank_died,         ///< a process ended without leaving
  rank_stopped,      ///< a process exists but does not run
  rank_failed,       ///< a rank's own code threw, or it left early
  deadline,          ///< a rank lives but did not come in time
  link,              ///< the transport reported a failure
  launch,            ///< the ranks could not be found or started
  data,              ///< a file or a data set is not what it should be
  expelled,          ///< the other ranks have gone on without this one
  not_supported,     ///< legal, but this build or machine cannot do it
  device,            ///< a GPU, its memory or its driver refused
};

constexpr const char* name_of(errc code) {
  switch (code) {
    case errc::invalid_argument: return "invalid argument";
    case errc::mismatch: return "mismatch";
    case errc::rank_died: return "rank died";
    case errc::rank_stopped: return "rank stopped";
    case errc::rank_failed: return "rank failed";
    case errc::deadline: return "deadline";
    case errc::link: return "link";
    case errc::launch: return "launch";
    case errc::data: return "data";
    case errc::expelled: return "expelled";
    case errc::not_supported: return "not supported";
    case errc::device: return "device";
  }
  return "unknown";
}

/// Every exception that Tutti throws. `rank` is the rank at fault, −1 where
/// none is; of a mismatch it is one of the two ranks that the text names, which
/// need not be the one that is wrong: nothing but the program knows that.
/// `operation` is the number of the collective on its communicator,
/// 0 where there is none.
class error : public std::runtime_error {
 public:
  explicit error(errc code, const std::string& text, int rank = -1, std::uint64_t operation = 0)
      : std::runtime_error(text), code_(code), rank_(rank), operation_(operation) {}

  errc code() const noexcept { return code_; }
  int rank() const noexcept { return rank_; }
  std::uint64_t operation() const noexcept { return operation_; }

 private:
  errc code_;
  int rank_;
  std::uint64_t operation_;
};

/// `printf` into a string.
[[gnu::format(printf, 1, 2)]] inline std::string format(const char* pattern, ...) {
  std::va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  int length = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(length > 0 ? static_cast<std::size_t>(length) : 0, '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

}  // namespace tutti
