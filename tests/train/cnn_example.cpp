// The example that a layout cuts, as people run it.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "../ranks.hpp"
#include "files.hpp"

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

TEST_CASE("a program without CUDA, or a machine without a device, says so where it is asked for one") {
  for (const char* flags : {"--device cuda", "--device cuda --precision bf16 --model resnet18"}) {
    const ranks::ended e = run(std::string("--ranks 2 --epochs 1 ") + flags);
    INFO(e.output);
    if (e.code == 0) CHECK(e.output.find("test accuracy") != std::string::npos);
    else CHECK((e.output.find("built without it") != std::string::npos || e.output.find("CUDA device") != std::string::npos || e.output.find("CUDA driver") != std::string::npos));
  }
  const ranks::ended refused = run("--ranks 1 --precision bf16");
  CHECK(refused.code != 0);
  CHECK(refused.output.find("--precision bf16 is for --device cuda") != std::string::npos);
}

TEST_CASE("what a layout moves is said without data, and what cannot be is refused in a sentence") {
  const ranks::ended said = run("--ranks 2 --layout hybrid --explain");
  CHECK(said.code == 0);
  CHECK(said.output.find("all_gather over ranks: batch, 100.0 KiB: its operand is needed with all batch\n") != std::string::npos);
  const ranks::ended searched = run("--model resnet50 --mesh data=4,model=8 --layout auto --explain");
  CHECK(searched.code == 0);
  CHECK(searched.output.find("layout conv") == 0);
  CHECK(searched.output.find("s a step by the model\nconv1") != std::string::npos);
  CHECK(searched.output.find("\nhybrid ") != std::string::npos);
  CHECK(searched.output.substr(0, searched.output.find('\n')).size() < 110);
}

TEST_CASE("what cannot be is refused in a sentence that names it and says what would be legal") {
  const scratch_folder nothing;
  scratch_folder cut, labelled, digits;
  bytes truncated = cifar(3, 0), wrong = cifar(3, 0);
  truncated.pop_back();
  wrong[3073] = 10;
  cut.put("data_batch_1.bin", truncated), cut.put("test_batch.bin", cifar(1, 0));
  labelled.put("data_batch_1.bin", wrong), labelled.put("test_batch.bin", cifar(1, 0));
  for (const char* which : {"train", "t10k"}) {
    digits.put(std::string(which) + "-images-idx3-ubyte", images(2, 28, 28));
    digits.put(std::string(which) + "-labels-idx1-ubyte", labels(2));
  }
  const struct {
    std::string flags, sentence;
  } cases[] = {
      {"--ranks 2 --mesh data=3", "the mesh 'data=3' has 3 ranks, and there are 2"},
      {"--ranks 2 --mesh data=3 --bill", "the mesh 'data=3' has 3 ranks, and there are 2"},
      {"--ranks 2 --mesh data=0", "the axis 'data' has 0 ranks: 1 or more are needed, as in 'data=2'"},
      {"--ranks 4 --mesh data=2,data=2", "a mesh has two axes 'data': each needs a name of its own, as in 'data=2,model=2'"},
      {"--ranks 2 --layout batch:ranks,batch:ranks", "the layout's 'batch:ranks' holds for no layer, since rules behind it replace it"},
      {"--model resnet --explain", "no network is called 'resnet'; there are lenet, "},
      {"--layout both --explain", "no layout is called 'both'; there are data, tensor, spatial, hybrid and auto, and rules such as "},
      {"--layout batch:rows --explain", "the layout puts 'batch' on the axis 'rows', and the mesh has ranks=1"},
      {"--layout conv9/filters:ranks --explain", "the layout's 'conv9' is the name of no layer; the nearest are conv1, conv2"},
      {"--layout conv1/units:ranks --explain", "no layer that 'conv1' names has a dimension 'units' that can be cut; there are batch, filters, height, width, channels"},
      {"--schedule never", "--schedule: 'never' is none of constant, steps, cosine"},
      {"--ranks 2 --layout conv*/batch:ranks,conv*/filters:ranks", "layer 'conv1': the axis 'ranks' cannot cut both 'batch' and 'filters'"},
      {"--ranks 2 --layout conv*/batch:ranks,conv*/filters:ranks --picture never.svg", "layer 'conv1': the axis 'ranks' cannot cut both"},
      {"--ranks 2 --batch 1", "cuts the dimension 'batch', which is 1, over the axis 'ranks' of 2 ranks: a batch of 2 or more is needed"},
      {"--ranks 2 --batch 1 --explain", "cuts the dimension 'batch', which is 1, over the axis 'ranks' of 2 ranks: a batch of 2 or more is needed"},
      {"--mesh ranks=3 --batch 2 --picture never.svg", "over the axis 'ranks' of 3 ranks: a batch of 3 or more is needed"},
      {"--ranks 2 --batch 1 --check", "cuts the dimension 'batch', which is 1, over the axis 'ranks' of 2 ranks: a batch of 2 or more is needed"},
      {"--device cuda --check", "--explain, --picture, --bill and --check run on the processor: leave out --device and --precision"},
      {"--device cuda --precision bf16 --check", "--check run on the processor: leave out --device and --precision"},
      {"--precision bf16 --explain", "--check run on the processor: leave out --device and --precision"},
      {"--precision bf16", "--precision bf16 is for --device cuda"},
      {"--model alexnet --data " + digits.path(), "layer 'pool2' reads 3 places along a height of "},
      {"--check --batch 3 --data " + digits.path(), "a check of batches of 3 samples needs as many, and the data have 2"},
      {"--data " + nothing.path() + " --explain", "holds neither MNIST (train-images-idx3-ubyte, with .gz or without, and three files more) nor CIFAR-10"},
      {"--data " + cut.path(), "data_batch_1.bin: is truncated: it ends at byte 9218, inside sample 2; a sample is 3073 bytes"},
      {"--data " + labelled.path(), "data_batch_1.bin: byte 3073, the label of sample 1, is 10, and labels are 0 to 9"},
      {"--picture " + nothing.path() + "/none/drawn.svg", "/none/drawn.svg: cannot be written: No such file or directory"},
  };
  for (const auto& [flags, sentence] : cases) {
    const ranks::ended e = run(flags);
    CAPTURE(flags);
    INFO(e.output);
    CHECK(e.code != 0);
    CHECK(e.output.find(sentence) != std::string::npos);
    CHECK(e.output.find("epoch") == std::string::npos);
    // Once, by who would start the ranks.
    if (flags.find("none/drawn.svg") == std::string::npos) CHECK(std::count(e.output.begin(), e.output.end(), '\n') == 1);
  }
}

TEST_CASE("what is said of a network is of the data that are given") {
  scratch_folder here;
  here.put("data_batch_1.bin", cifar(8, 0)), here.put("test_batch.bin", cifar(1, 0));
  const ranks::ended said = run("--layout data --explain --bill --check --batch 4 --ranks 2 --data " + here.path());
  INFO(said.output);
  CHECK(said.code == 0);
  CHECK(said.output.find("conv1: (batch:ranks 4, channels 3, height 32, width 32)") != std::string::npos);
  CHECK(said.output.find("B counted on the links") != std::string::npos);
  CHECK(said.output.find("PASS\n") != std::string::npos);
}

TEST_CASE("a step is billed to the byte, checked beside one rank, and drawn, without data") {
  for (const char* how : {"--layout tensor --batch 16", "--layout spatial --batch 4 --model voxnet"}) {
    const ranks::ended billed = run("--ranks 2 --bill " + std::string(how));
    INFO(billed.output);
    CHECK(billed.code == 0);
    std::size_t says = 0, counted = 1;
    const std::size_t at = billed.output.find("all ranks: ");
    REQUIRE(at != std::string::npos);
    REQUIRE(std::sscanf(billed.output.c_str() + at, "all ranks: %zu B billed, %zu B counted", &says, &counted) == 2);
    CHECK(says == counted);
    CHECK(says > 0);
    std::size_t tensors = 0, held = 0;
    const std::size_t memory = billed.output.find("row-major numbers: ");
    REQUIRE(memory != std::string::npos);
    REQUIRE(std::sscanf(billed.output.c_str() + memory, "row-major numbers: %zu B of tensors; the pass holds %zu B", &tensors, &held) == 2);
    CHECK(tensors > 0);
    CHECK(held >= tensors);
  }
  for (const char* model : {"--batch 16", "--batch 4 --model voxnet"}) {
    const ranks::ended checked = run("--ranks 2 --layout spatial --check " + std::string(model));
    INFO(checked.output);
    CHECK(checked.code == 0);
    CHECK(checked.output.find("PASS\n") != std::string::npos);
    CHECK(checked.output.find("check: the run on ranks=2\n") != std::string::npos);
    CHECK(checked.output.find("weak") == std::string::npos);
  }
  const std::string file = "drawn_layout.svg";
  CHECK(run("--ranks 2 --layout hybrid --picture " + file).code == 0);
  std::ifstream drawn(file);
  std::string first;
  CHECK(std::getline(drawn, first));
  CHECK(first.find("<svg ") == 0);
  std::remove(file.c_str());
}
