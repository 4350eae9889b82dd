#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <sched.h>

int main(int argc, char** argv) {
  // Tests look for System V memory that ranks have left behind. Where root runs them,
  // that of other programs beside them is not among it.
  [[maybe_unused]] const int parted = ::unshare(CLONE_NEWIPC);
  return doctest::Context(argc, argv).run();
}
