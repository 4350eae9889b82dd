#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <tutti/base/error.hpp>
#include <tutti/train/idx.hpp>

namespace tutti {

/// Pixels as numbers: (pixel/255 − mean) / deviation.
struct normalisation {
  float mean = 0, deviation = 1;
};

/// Pictures with labels, a byte a value.
struct dataset {
  std::size_t count = 0, channels = 1, depth = 1, height = 0, width = 0;
  std::size_t classes = 10;
  std::vector<std::uint8_t> pixels = {};  ///< (count, channels, depth, height, width)
  std::vector<std::uint8_t> labels = {};  ///< (count), each below `classes`
  std::vector<normalisation> scales = {};  ///< (channels); of those beyond the last, `normalisation{}`

  std::size_t sample_size() const { return channels * depth * height * width; }
};

/// Images and labels of the same samples. Throws `errc::data`, naming the file,
/// where one is not what it should be or the two do not belong together.
inline dataset read_idx(const std::string& images_path, const std::string& labels_path, std::size_t classes = 10) {
  idx_images images = read_idx_images(images_path);
  dataset all{.count = images.count, .height = images.height, .width = images.width, .classes = classes};
  all.pixels = std::move(images.pixels);
  all.labels = read_idx_labels(labels_path);
  if (all.labels.size() != all.count)
    throw error(errc::data, format("%s holds %zu images, but %s holds %zu labels", images_path.c_str(), all.count,
                                   labels_path.c_str(), all.labels.size()));
  for (std::size_t i = 0; i < all.count; ++i)
    if (all.labels[i] >= classes)
      throw error(errc::data, format("%s: label %u of sample %zu is out of range: there are %zu classes",
                                     labels_path.c_str(), all.labels[i], i, classes));
  return all;
}

/// What is trained on, and what is not, as a test.
struct data_sets {
  dataset training, test;
};

/// MNIST, or a subset with the usual four file names, each with `.gz` or without.
inline data_sets read_mnist(const std::string& folder) {
  auto path = [&](const char* file) {
    std::string packed = folder + "/" + file + ".gz", plain = folder + "/" + file;
    if (::access(packed.c_str(), F_OK) == 0) return packed;
    if (::access(plain.c_str(), F_OK) == 0) return plain;
    throw error(errc::data, format("%s: there is no such file, with .gz or without", plain.c_str()));
  };
  // One by one, in this order, so that the same file is named on every rank.
  const std::string images = path("train-images-idx3-ubyte"), labels = path("train-labels-idx1-ubyte");
  const std::string test_images = path("t10k-images-idx3-ubyte"), test_labels = path("t10k-labels-idx1-ubyte");
  data_sets both{.training = read_idx(images, labels), .test = read_idx(test_images, test_labels)};
  for (dataset* each : {&both.training, &both.test}) {
    each->scales = {{.mean = 0.1307f, .deviation = 0.3081f}};
    if (each->height != 28 || each->width != 28)
      throw error(errc::data, format("%s: its images are %zu×%zu, and MNIST's are 28×28",
                                     (each == &both.test ? test_images : images).c_str(), each->height, each->width));
  }
  return both;
}

}  // namespace tutti
