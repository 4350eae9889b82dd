#pragma once
#include <cstdio>
#include <cstring>

#include <fcntl.h>
#include <unistd.h>

namespace tutti {

/// The kernel's letter for what a process of this host does ('Z' where it has
/// ended, 'T' and 't' where it is stopped); 'X' where there is no such process,
/// '?' where the kernel does not say. Does not allocate. Cost: some 10 µs.
inline char process_state(int pid) {
  char text[512];
  std::snprintf(text, sizeof text, "/proc/%d/stat", pid);
  const int file = ::open(text, O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    std::snprintf(text, sizeof text, "/proc/%d", pid);
    return ::access(text, F_OK) == 0 ? '?' : 'X';
  }
  const ssize_t n = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (n <= 0) return '?';
  text[n] = '\0';
  const char* name_end = std::strrchr(text, ')');
  return name_end && name_end[1] == ' ' ? name_end[2] : '?';
}

}  // namespace tutti
