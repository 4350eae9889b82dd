// The example that a layout cuts, as people run it.
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../ranks.hpp"

namespace {

ranks::ended run(const std::string& flags) {
  std::vector<std::string> command{TRAIN_CNN};
  std::istringstream words(flags);
  for (std::string word; words >> word;) command.push_back(word);
  return ranks::start(command);
}

}  // namespace

TEST_CASE("however it is cut, a network learns the shipped digits") {
  for (const char* flags : {"--ranks 3 --layout spatial",
                            "--ranks 4 --mesh data=2,model=2 --layout batch:data,conv*/filters:model,dense*/units:model"}) {
    const ranks::ended e = run(std::string(flags) + " --epochs 1");
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
  const ranks::ended said = run("--ranks 2 --layout hybrid --explain --data nowhere");
  CHECK(said.code == 0);
  CHECK(said.output.find("all_gather over ranks: batch, 100.0 KiB: its operand is needed with all batch\n") != std::string::npos);
  const ranks::ended searched = run("--model resnet50 --mesh data=4,model=8 --layout auto --explain");
  CHECK(searched.code == 0);
  CHECK(searched.output.find("layout conv") == 0);
  CHECK(searched.output.find("s a step by the model\nconv1") != std::string::npos);
  const ranks::ended unknown = run("--model resnet --explain");
  CHECK(unknown.code != 0);
  CHECK(unknown.output.find("no network is called 'resnet'; there are lenet, ") != std::string::npos);
  const ranks::ended refused = run("--ranks 2 --layout conv*/batch:ranks,conv*/filters:ranks");
  CHECK(refused.code != 0);
  CHECK(refused.output.find("layer 'conv1': the axis 'ranks' cannot cut both 'batch' and 'filters'") != std::string::npos);
  const ranks::ended wrong = run("--ranks 2 --mesh data=3");
  CHECK(wrong.code != 0);
  CHECK(wrong.output.find("the mesh 'data=3' has 3 ranks, and there are 2") != std::string::npos);
}

TEST_CASE("a step is billed to the byte, checked beside one rank, and drawn, without data") {
  for (const char* how : {"--layout tensor --batch 16", "--layout spatial --batch 4 --model voxnet"}) {
    const ranks::ended billed = run("--ranks 2 --bill --data nowhere " + std::string(how));
    INFO(billed.output);
    CHECK(billed.code == 0);
    std::size_t says = 0, counted = 1;
    const std::size_t at = billed.output.find("all ranks: ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(billed.output.c_str() + at, "all ranks: %zu B billed, %zu B counted", &says, &counted) == 2);
    CHECK(says == counted);
    CHECK(says > 0);
  }
  for (const char* model : {"--batch 16", "--batch 4 --model voxnet"}) {
    const ranks::ended checked = run("--ranks 2 --layout spatial --check --data nowhere " + std::string(model));
    INFO(checked.output);
    CHECK(checked.code == 0);
    CHECK(checked.output.find("PASS\n") != std::string::npos);
  }
  const std::string file = "drawn_layout.svg";
  CHECK(run("--ranks 2 --layout hybrid --picture " + file).code == 0);
  std::ifstream drawn(file);
  std::string first;
  CHECK(std::getline(drawn, first));
  CHECK(first.find("<svg ") == 0);
  std::remove(file.c_str());
}
