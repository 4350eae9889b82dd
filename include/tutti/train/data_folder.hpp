#pragma once
#include <string>

#include <unistd.h>

#include <tutti/train/cifar.hpp>
#include <tutti/train/dataset.hpp>

namespace tutti {

/// MNIST or CIFAR-10, whichever has a file in the folder. Throws `errc::data`
/// where neither has, and what `read_mnist` and `read_cifar10` throw.
inline data_sets read_data(const std::string& folder) {
  auto any = [&](std::initializer_list<const char*> files) {
    for (const char* file : files)
      if (::access((folder + "/" + file).c_str(), F_OK) == 0) return true;
    return false;
  };
  if (any({"test_batch.bin", "data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"}))
    return read_cifar10(folder);
  if (any({"train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"}))
    return read_mnist(folder);
  throw error(errc::data, folder + ": holds neither MNIST (train-images-idx3-ubyte, with .gz or without, and three files more) "
                                   "nor CIFAR-10 (data_batch_1.bin and test_batch.bin)");
}

}  // namespace tutti
