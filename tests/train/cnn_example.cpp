// The example that a layout cuts, as people run it.
#include <array>
#include <cstdio>
#include <string>

#include <sys/wait.h>

#include <doctest/doctest.h>

namespace {

struct ending {
  int code = -1;
  std::string output;  // both streams
};

ending run(const std::string& flags) {
  std::FILE* pipe = ::popen((std::string(TRAIN_CNN) + " " + flags + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  ending e;
  std::array<char, 4096> piece;
  while (std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) e.output.append(piece.data(), got);
  const int status = ::pclose(pipe);
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return e;
}

}  // namespace

TEST_CASE("however it is cut, a network learns the shipped digits") {
  for (const char* flags : {"--ranks 3 --layout spatial",
                            "--ranks 4 --mesh data=2,model=2 --layout batch:data,conv*/filters:model,dense*/units:model"}) {
    const ending e = run(std::string(flags) + " --epochs 1");
    CAPTURE(std::string(flags));
    INFO(e.output);
    REQUIRE(e.code == 0);
    double loss = 0, accuracy = 0;
    const std::size_t at = e.output.find("loss ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(e.output.c_str() + at, "loss %lf, test accuracy %lf %%", &loss, &accuracy) == 2);
    CHECK(accuracy >= 94);
  }
}

TEST_CASE("what a layout moves is said without data, and what cannot be is refused in a sentence") {
  const ending said = run("--ranks 2 --layout hybrid --explain --data nowhere");
  CHECK(said.code == 0);
  CHECK(said.output.find("all_gather over ranks: batch, 100.0 KiB: its operand is needed with all batch\n") != std::string::npos);
  const ending searched = run("--ranks 4 --layout auto --explain");
  CHECK(searched.code == 0);
  CHECK(searched.output.find("layout conv1/") == 0);
  const ending refused = run("--ranks 2 --layout conv*/batch:ranks,conv*/filters:ranks");
  CHECK(refused.code != 0);
  CHECK(refused.output.find("layer 'conv1': the axis 'ranks' cannot cut both 'batch' and 'filters'") != std::string::npos);
  const ending wrong = run("--ranks 2 --mesh data=3");
  CHECK(wrong.code != 0);
  CHECK(wrong.output.find("the mesh 'data=3' has 3 ranks, and there are 2") != std::string::npos);
}
