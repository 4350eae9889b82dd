#include "shared_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>

#include <cstddef>

#include <doctest/doctest.h>
#include <tutti/base/error.hpp>

// Nothing else would notice if what looks for shared memory never found any.

TEST_CASE("a System V segment counts as abandoned once its maker is gone and nobody is attached") {
  const std::set<std::string> before = tests::abandoned_memory();
  int pipe[2], id = -1;
  REQUIRE(::pipe(pipe) == 0);
  const pid_t maker = ::fork();
  if (maker == 0) {
    const int made = ::shmget(IPC_PRIVATE, 4096, 0600);
    [[maybe_unused]] auto written = ::write(pipe[1], &made, sizeof made);
    ::pause();  // until it is killed
    ::_exit(0);
  }
  REQUIRE(::read(pipe[0], &id, sizeof id) == sizeof id);
  ::close(pipe[0]);
  ::close(pipe[1]);
  REQUIRE(id >= 0);
  CHECK(tests::left_since(before) == "");  // its maker may yet remove it
  void* attached = ::shmat(id, nullptr, 0);
  ::kill(maker, SIGKILL);
  ::waitpid(maker, nullptr, 0);
  CHECK(tests::left_since(before) == "");
  ::shmdt(attached);
  CHECK(tests::left_since(before, 0) == tutti::format("segment %d of process %d; ", id, static_cast<int>(maker)));
  CHECK(tests::left_since(tests::abandoned_memory()) == "");  // it was there before
  ::shmctl(id, IPC_RMID, nullptr);
  CHECK(tests::left_since(before) == "");
}

TEST_CASE("a file in /dev/shm counts as abandoned while no process has it open or mapped") {
  const std::string name = tutti::format("/tutti_test_%d", static_cast<int>(::getpid()));
  const std::set<std::string> before = tests::abandoned_memory();
  const int fd = ::shm_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600);
  REQUIRE(fd >= 0);
  REQUIRE(::ftruncate(fd, 4096) == 0);
  CHECK(tests::left_since(before) == "");
  void* mapped = ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  CHECK(tests::left_since(before) == "");
  ::munmap(mapped, 4096);
  CHECK(tests::left_since(before, 0) == "/dev/shm" + name + "; ");
  ::shm_unlink(name.c_str());
  CHECK(tests::left_since(before) == "");
}
