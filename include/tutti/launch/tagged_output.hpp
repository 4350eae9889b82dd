#pragma once
#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <tutti/base/error.hpp>

namespace tutti {

/// Prints what several processes write, line by line, each line behind the
/// number of its rank: "[2] loss 0.31". Lines never mix; a last line without
/// an end is kept; a line of more than 1 MiB is broken there. Driven by the
/// poll loop of its owner, so that output that nobody reads stops no signal.
class tagged_output {
 public:
  tagged_output() = default;
  tagged_output(const tagged_output&) = delete;
  tagged_output& operator=(const tagged_output&) = delete;
  ~tagged_output() {
    for (source& s : sources_)
      if (s.read_end >= 0) ::close(s.read_end);
  }

  /// Before the fork of `rank`: its two pipes.
  void open(int rank) {
    for (int to : {STDOUT_FILENO, STDERR_FILENO}) {
      int ends[2];
      if (::pipe2(ends, O_CLOEXEC) != 0)
        throw error(errc::launch, format("rank %d gets no pipe for its output: %s", rank, std::strerror(errno)));
      ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
      sources_.push_back({rank, to, ends[0], ends[1], {}});
    }
  }

  /// In the child, right after the fork: its output goes to the pipes.
  void become_child() {
    for (source& s : sources_) {
      ::close(s.read_end);
      if (s.write_end < 0) continue;
      ::dup2(s.write_end, s.to);
      ::close(s.write_end);
    }
    sources_.clear();
    ::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe would hold lines back for kilobytes
  }

  /// In the parent, right after the fork.
  void become_parent() {
    for (source& s : sources_)
      if (s.write_end >= 0) {
        ::close(s.write_end);
        s.write_end = -1;
      }
  }

  /// Adds what `pump` waits for.
  void watch(std::vector<pollfd>& polled) const {
    for (const source& s : sources_)
      if (s.read_end >= 0 && waiting(s.to).size() < most_waiting) polled.push_back({s.read_end, POLLIN, 0});
    for (int to : {STDOUT_FILENO, STDERR_FILENO})
      if (!waiting(to).empty()) polled.push_back({to, POLLOUT, 0});
  }

  /// Moves what can be moved without blocking.
  void pump() {
    for (source& s : sources_)
      if (s.read_end >= 0 && waiting(s.to).size() < most_waiting) read_some(s);
    for (int to : {STDOUT_FILENO, STDERR_FILENO}) write_some(to);
  }

  /// A line of the owner's own, on standard error.
  void say(const std::string& line) {
    errors_ += line;
    errors_ += '\n';
    write_some(STDERR_FILENO);
  }

  /// After the last child has ended: takes what still stands in the pipes.
  /// Their end may never come, where a grandchild holds them open.
  void close_sources() {
    for (source& s : sources_) {
      for (int reads = 0; s.read_end >= 0 && reads < 64 && read_some(s);) ++reads;
      if (s.read_end < 0) continue;
      if (!s.line.empty()) emit(s, s.line.size());
      ::close(s.read_end);
      s.read_end = -1;
    }
  }

  bool empty() const { return output_.empty() && errors_.empty(); }

 private:
  struct source {
    int rank, to, read_end, write_end;
    std::string line;  // its beginning
  };
  static constexpr std::size_t most_waiting = 1 << 20, longest_line = 1 << 20;

  std::string& waiting(int to) { return to == STDERR_FILENO ? errors_ : output_; }
  const std::string& waiting(int to) const { return to == STDERR_FILENO ? errors_ : output_; }

  /// False where there is nothing to read any more, or not at present.
  bool read_some(source& s) {
    char bytes[65536];
    ssize_t got = ::read(s.read_end, bytes, sizeof bytes);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return errno == EINTR;
    if (got <= 0) {
      ::close(s.read_end);
      s.read_end = -1;
      if (!s.line.empty()) emit(s, s.line.size());
      return false;
    }
    std::size_t scanned = s.line.size();
    s.line.append(bytes, static_cast<std::size_t>(got));
    for (std::size_t end; (end = s.line.find('\n', scanned)) != std::string::npos; scanned = 0) emit(s, end);
    if (s.line.size() >= longest_line) emit(s, s.line.size());
    return true;
  }

  /// The first `length` characters of a source's line, and the line's end if it stands there.
  void emit(source& s, std::size_t length) {
    std::string& out = waiting(s.to);
    out += '[';
    out += std::to_string(s.rank);
    out += "] ";
    out.append(s.line, 0, length);
    out += '\n';
    s.line.erase(0, length < s.line.size() ? length + 1 : length);
  }

  // Up to PIPE_BUF bytes never block where poll has said that there is room.
  void write_some(int to) {
    std::string& out = waiting(to);
    std::size_t done = 0;
    pollfd room{to, POLLOUT, 0};
    while (done < out.size() && ::poll(&room, 1, 0) == 1) {
      std::size_t count = out.size() - done < 4096 ? out.size() - done : 4096;
      ssize_t written = ::write(to, out.data() + done, count);
      if (written < 0 && errno != EINTR && errno != EAGAIN) done = out.size();  // nobody reads: let it go
      if (written > 0) done += static_cast<std::size_t>(written);
    }
    out.erase(0, done);
  }

  std::vector<source> sources_;
  std::string output_, errors_;
};

}  // namespace tutti
