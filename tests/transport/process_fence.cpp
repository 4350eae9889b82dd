#include <tutti/transport/process_fence.hpp>

#include <doctest/doctest.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace tutti;

TEST_CASE("whoever takes part in the fences of others does so in its children as well") {
  constexpr int get_registrations = 1 << 9;  // a command of Linux 6.3
  const auto registrations = [] { return ::syscall(SYS_membarrier, get_registrations, 0, 0); };
  if (registrations() < 0) {
    MESSAGE("the kernel does not say who takes part");
    return;
  }
  REQUIRE(process_fence::take_part());
  CHECK((registrations() & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0);
  const pid_t child = ::fork();
  if (child == 0) ::_exit((registrations() & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) != 0 ? 0 : 1);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}
