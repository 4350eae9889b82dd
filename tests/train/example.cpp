// The example trainer as people run it.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/wait.h>

#include <doctest/doctest.h>

#include "files.hpp"

namespace {

struct ending {
  int code = -1;
  std::string output;  // both streams
};

ending run(const std::string& flags, const std::string& launcher = "") {
  std::FILE* pipe = ::popen((launcher + TRAIN_MNIST + " " + flags + " 2>&1").c_str(), "r");
  REQUIRE(pipe);
  ending e;
  std::array<char, 4096> piece;
  while (std::size_t got = std::fread(piece.data(), 1, piece.size(), pipe)) e.output.append(piece.data(), got);
  const int status = ::pclose(pipe);
  e.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return e;
}

std::string last_line(const std::string& text) {
  const std::size_t begin = text.rfind('\n', text.size() - 2);
  return text.substr(begin + 1);
}

}  // namespace

TEST_CASE("Two ranks learn the shipped digits to 97 %, and say how") {
  const ending e = run("--ranks 2");
  INFO(e.output);
  REQUIRE(e.code == 0);
  double loss = 0, accuracy = 0, speed = 0, hidden = 0, exposed = 0;
  int epoch = 0, epochs = 0;
  const std::string line = last_line(e.output);
  REQUIRE(std::sscanf(
              line.c_str(),
              "epoch %d/%d: loss %lf, test accuracy %lf %%, %lf images/s, communication %lf s hidden + %lf s exposed",
              &epoch, &epochs, &loss, &accuracy, &speed, &hidden, &exposed) == 7);
  CHECK(epoch == epochs);
  CHECK(accuracy >= 97.0);
  CHECK(line.find(" %,") != std::string::npos);
  CHECK(speed > 0);
  CHECK(hidden >= 0);
  CHECK(exposed > 0);
}

TEST_CASE("mpirun's ranks train the same, to every digit that is printed" * doctest::skip(MPIRUN[0] == '\0')) {
  // As root only where told so, as in a container.
  const std::string launcher = std::string(MPIRUN) + " --allow-run-as-root --oversubscribe -n 2 ";
  const ending mpirun = run("--epochs 1", launcher), own = run("--epochs 1 --ranks 2");
  INFO(mpirun.output);
  REQUIRE(mpirun.code == 0);
  REQUIRE(own.code == 0);
  // Without the times, and without the bar: mpirun gives its ranks a terminal.
  auto results = [](const std::string& text) {
    const std::size_t begin = text.rfind("epoch 1/1: ");
    return text.substr(begin, text.find(" %,", begin) - begin);
  };
  CHECK(results(mpirun.output) == results(own.output));
}

TEST_CASE("Flags that it does not know, or cannot take, are named") {
  for (const auto& [flags, expected] : {std::pair<std::string, std::string>{"--epoch 3", "--epoch"},
                                        {"--epochs zero", "zero"},
                                        {"--epochs 0", "--epochs"},
                                        {"--batch -1", "--batch"},
                                        {"--ranks 0", "--ranks"},
                                        {"--seed", "--seed"}}) {
    const ending e = run(flags);
    INFO(flags, ": ", e.output);
    CHECK(e.code != 0);
    CHECK(e.output.find(expected) != std::string::npos);
    CHECK(e.output.find("epoch 1/") == std::string::npos);
  }
}

TEST_CASE("Data that are not there or damaged end every rank, and the file is named") {
  scratch_folder here;
  const ending missing = run("--ranks 2 --data " + here.path());
  INFO(missing.output);
  CHECK(missing.code != 0);
  CHECK(missing.output.find(here.path() + "/train-images-idx3-ubyte: there is no such file") != std::string::npos);

  here.put("train-images-idx3-ubyte", images(9, 28, 28));
  here.put("train-labels-idx1-ubyte", labels(9));
  here.put("t10k-images-idx3-ubyte", images(3, 28, 28));
  bytes cut = packed(labels(3000));
  cut.resize(cut.size() - 9);
  const std::string broken = here.put("t10k-labels-idx1-ubyte.gz", cut);
  const ending damaged = run("--ranks 2 --data " + here.path());
  INFO(damaged.output);
  CHECK(damaged.code != 0);
  CHECK(damaged.output.find(broken + ": is truncated") != std::string::npos);
}
