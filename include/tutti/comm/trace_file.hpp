#pragma once
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/base/log.hpp>
#include <tutti/comm/flight_recorder.hpp>
#include <tutti/transport/operation_id.hpp>

namespace tutti {

/// Operations as Chrome's trace events (chrome://tracing and Perfetto draw
/// them): one row a rank, in it a line for each communicator. All ranks of a
/// host write one file, which is whole JSON after every write; what a rank has
/// not written yet is kept in memory, at most some hundred kilobytes.
class trace_file {
 public:
  /// Rank 0 empties the file, before the others write. Throws
  /// `invalid_argument` where it cannot be written.
  trace_file(const char* path, int rank) : path_(path), rank_(rank) {
    const int file = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC | (rank == 0 ? O_TRUNC : 0), 0666);
    if (file < 0)
      throw error(errc::invalid_argument, format("TUTTI_TRACE is '%s', which cannot be written: %s", path, std::strerror(errno)), rank);
    ::close(file);
    event("process_name", "M", format("\"args\":{\"name\":\"rank %d\"}", rank), 0);
    event("process_sort_index", "M", format("\"args\":{\"sort_index\":%d}", rank), 0);
  }
  trace_file(const trace_file&) = delete;
  trace_file& operator=(const trace_file&) = delete;
  ~trace_file() { flush(); }

  /// An operation that has ended, of a communicator that those who look at the
  /// trace will see named so. From any thread.
  void add(const operation_record& r, communicator_key communicator, const std::string& name) {
    const std::string more = format("\"ts\":%.3f,\"dur\":%.3f,\"args\":{\"number\":%llu,\"call\":\"%s\",\"state\":\"%s\"}", r.begun * 1e6,
                                    (r.ended - r.begun) * 1e6, static_cast<unsigned long long>(r.number),
                                    escaped(describe(r.what)).c_str(), r.is == operation_record::state::done ? "done" : "failed");
    const std::lock_guard held(mutex_);
    if (std::find(named_.begin(), named_.end(), communicator) == named_.end()) {
      named_.push_back(communicator);
      event("thread_name", "M", format("\"args\":{\"name\":\"%s\"}", name.c_str()), communicator);
    }
    event(r.what.kind, "X", more, communicator);
    if (pending_.size() > 200000) write();
  }

  /// Writes what is there. A file that can no longer be written gets a warning.
  void flush() {
    const std::lock_guard held(mutex_);
    write();
  }

 private:
  void write() {
    if (!pending_.empty() && !append())
      log(log_level::warn, format("the trace could not be written to %s: %s", path_.c_str(), std::strerror(errno)));
    pending_.clear();
  }

  // Before the closing bracket, while nobody else writes.
  bool append() {
    const int file = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return false;
    bool right = ::flock(file, LOCK_EX) == 0;
    const off_t end = right ? ::lseek(file, 0, SEEK_END) : -1;
    const bool empty = end < static_cast<off_t>(closing.size());
    std::string text = empty ? "[" : ",";
    text += pending_;
    text += closing;
    const off_t at = empty ? 0 : end - static_cast<off_t>(closing.size());
    std::size_t written = 0;
    while (right && written < text.size()) {
      const ssize_t n = ::pwrite(file, text.data() + written, text.size() - written, at + static_cast<off_t>(written));
      right = n > 0;
      if (right) written += static_cast<std::size_t>(n);
    }
    ::close(file);
    return right;
  }

  void event(const char* name, const char* phase, const std::string& more, communicator_key line) {
    if (!pending_.empty()) pending_ += ',';
    pending_ += format("\n{\"name\":\"%s\",\"ph\":\"%s\",\"pid\":%d,\"tid\":%u,%s}", name, phase, rank_, line, more.c_str());
  }

  static std::string escaped(std::string_view text) {
    std::string result;
    for (char c : text) {
      if (c == '"' || c == '\\') result += '\\';
      result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    }
    return result;
  }

  static constexpr std::string_view closing = "\n]\n";
  std::string path_;
  int rank_;
  std::string pending_;
  std::vector<communicator_key> named_;
  std::mutex mutex_;
};

}  // namespace tutti
