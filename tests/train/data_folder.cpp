#include <tutti/train/data_folder.hpp>

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tutti;

TEST_CASE("what lies in a folder says what is read") {
  {
    scratch_folder here;
    here.put("data_batch_1.bin", cifar(2, 0));
    here.put("test_batch.bin", cifar(1, 0));
    CHECK(read_data(here.path()).training.channels == 3);
  }
  scratch_folder here;
  const std::string neither = here.path() + ": holds neither MNIST (train-images-idx3-ubyte, with .gz or without, and three files more) "
                                            "nor CIFAR-10 (data_batch_1.bin and test_batch.bin)";
  CHECK_THROWS_WITH_AS((void)read_data(here.path()), neither.c_str(), error);
  here.put("train-images-idx3-ubyte", images(1, 28, 28));
  here.put("train-labels-idx1-ubyte", labels(1));
  here.put("t10k-images-idx3-ubyte", images(1, 28, 28));
  here.put("t10k-labels-idx1-ubyte", labels(1));
  CHECK(read_data(here.path()).training.channels == 1);
}
