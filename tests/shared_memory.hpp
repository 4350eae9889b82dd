#pragma once
// Shared memory that would stay after whoever made it.
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <tutti/base/clock.hpp>

namespace tests {

inline std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  if (DIR* d = ::opendir(folder.c_str())) {
    while (dirent* e = ::readdir(d))
      if (const std::string name = e->d_name; name != "." && name != "..") names.push_back(name);
    ::closedir(d);
  }
  return names;
}

/// Whether a process has the file open or mapped, as far as this user may know.
inline bool in_use(const std::string& path) {
  for (const std::string& pid : names_in("/proc")) {
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    // First what is open: a file that is being mapped is so until it is mapped.
    const std::string open = "/proc/" + pid + "/fd";
    for (const std::string& fd : names_in(open)) {
      char target[4096];
      const ssize_t n = ::readlink((open + "/" + fd).c_str(), target, sizeof target);
      if (n > 0 && path.compare(0, path.npos, target, static_cast<std::size_t>(n)) == 0) return true;
    }
    std::ifstream maps("/proc/" + pid + "/maps");
    for (std::string line; std::getline(maps, line);)
      if (line.size() > path.size() && line.compare(line.size() - path.size() - 1, line.npos, " " + path) == 0) return true;
  }
  return false;
}

/// What nobody uses and nobody is there to remove: System V segments whose maker
/// is gone, and this user's files in /dev/shm that no process holds. (UCX marks
/// its own segments for removal at once, so that they go with their last user.)
inline std::set<std::string> abandoned_memory() {
  std::set<std::string> found;
  std::ifstream table("/proc/sysvipc/shm");
  std::string line;
  std::getline(table, line);  // what the columns are
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string key, id, mode, size, last;
    int creator, users;
    if (columns >> key >> id >> mode >> size >> creator >> last >> users && users == 0 && ::kill(creator, 0) != 0 && errno == ESRCH)
      found.insert("segment " + id + " of process " + std::to_string(creator));
  }
  for (const std::string& name : names_in("/dev/shm")) {
    const std::string path = "/dev/shm/" + name;
    struct stat about;
    if (::stat(path.c_str(), &about) != 0 || !S_ISREG(about.st_mode) || about.st_uid != ::geteuid() || in_use(path)) continue;
    if (::access(path.c_str(), F_OK) == 0) found.insert(path);  // not removed in the meantime
  }
  return found;
}

/// What is abandoned and was not `before`; empty as it should be. Looks again for
/// `seconds`: programs beside this one pass memory from hand to hand while it looks.
inline std::string left_since(const std::set<std::string>& before, double seconds = 2) {
  for (const double limit = tutti::now() + seconds;; ::usleep(10000)) {
    std::string found;
    for (const std::string& one : abandoned_memory())
      if (!before.count(one)) found += one + "; ";
    if (found.empty() || tutti::now() >= limit) return found;
  }
}

}  // namespace tests
