#include <tutti/launch/tagged_output.hpp>

#include <doctest/doctest.h>
#include <sys/ioctl.h>

#include "process.hpp"

using tests::count;
using tests::has;
using tests::process;

TEST_CASE("tagged output: whole lines, each behind its rank, in the order of its rank, the unterminated last one too") {
  for (bool by_flag : {true, false}) {
    CAPTURE(by_flag);
    std::vector<std::string> words{RANKS_PROBE, "--ranks", "4", "lines"};
    if (by_flag) words.push_back("--tag-output");
    process p(words, {by_flag ? "X=1" : "TUTTI_TAG_OUTPUT=1"});
    CHECK(p.wait() == 0);
    std::string output = p.output(), errors = p.errors();
    for (int rank = 0; rank < 4; ++rank) {
      std::size_t before[2] = {0, 0};
      for (int i = 0; i < 200; ++i) {
        std::string line = tutti::format("[%d] line %d of rank %d\n", rank, i, rank);
        std::size_t at = (i % 2 ? errors : output).find(line);
        REQUIRE(at != std::string::npos);
        CHECK(at >= before[i % 2]);
        before[i % 2] = at;
      }
      CHECK(count(output, tutti::format("[%d] last of rank %d\n", rank, rank)) == 1);
    }
    CHECK(count(output, "\n") == 4 * 101);
    CHECK(count(errors, "\n") == 4 * 100);
  }
}

TEST_CASE("tagged output: without it ranks write to what the program writes to") {
  process p({RANKS_PROBE, "--ranks", "2", "lines"});
  CHECK(p.wait() == 0);
  CHECK(has(p.output(), "last of rank 1"));
  CHECK(!has(p.output(), "[1]"));
}

TEST_CASE("tagged output: a process that a rank leaves behind is not waited for") {
  process p({RANKS_PROBE, "--ranks", "2", "--tag-output", "heir", "0"});
  CHECK(p.wait() == 1);  // rank 1 misses rank 0
  std::vector<int> heirs = tests::numbers_after(p.output(), "heir ");
  REQUIRE(heirs.size() == 1);
  CHECK(::kill(heirs[0], SIGKILL) == 0);
  CHECK(tests::nobody_left());
}

TEST_CASE("tagged output: a line without end passes in pieces of 1 MiB") {
  tutti::tagged_output pump;
  pump.open(3);
  pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    pump.become_child();
    std::string x(10000, 'x');
    for (int i = 0; i < 300; ++i) {
      [[maybe_unused]] auto written = ::write(STDOUT_FILENO, x.data(), x.size());
    }
    ::_exit(0);
  }
  // What the pump prints goes to a file for a while.
  std::fflush(stdout);
  int file = ::memfd_create("printed", MFD_CLOEXEC), stdout_before = ::dup(STDOUT_FILENO);
  ::dup2(file, STDOUT_FILENO);
  pump.become_parent();
  int status = -1;
  CHECK(tests::eventually([&] {
    pump.pump();
    return ::waitpid(child, &status, WNOHANG) == child;
  }));
  pump.close_sources();
  CHECK(tests::eventually([&] { return pump.pump(), pump.empty(); }));
  ::dup2(stdout_before, STDOUT_FILENO);
  ::close(stdout_before);
  std::string printed(4 << 20, '\0');
  printed.resize(static_cast<std::size_t>(::pread(file, printed.data(), printed.size(), 0)));
  ::close(file);
  CHECK(status == 0);
  CHECK(count(printed, "x") == 3000000);
  CHECK(count(printed, "\n") == count(printed, "[3] "));
  CHECK(count(printed, "\n") == 3);
}

TEST_CASE("tagged output: a reader that stops reading does not keep the program from ending") {
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  process p({RANKS_PROBE, "--ranks", "48", "--tag-output", "lines"}, {}, pipe[1]);  // some 120 KB
  int filled = 0;
  CHECK(tests::eventually([&] { return ::ioctl(pipe[0], FIONREAD, &filled) == 0 && filled > 40000; }));
  // The first may find ranks that still write; the next ends the wait for the reader.
  CHECK(tests::eventually([&] { return p.signal(SIGTERM), p.ended(); }));
  ::close(pipe[0]);
  ::close(pipe[1]);
  CHECK(tests::nobody_left());
}
