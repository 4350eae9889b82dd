#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include <tutti/train/data_file.hpp>
#include <tutti/train/dataset.hpp>

// CIFAR-10's binary version: files of samples, each a label and 3×32×32 pixels,
// a byte each (Krizhevsky, Learning multiple layers of features from tiny images, 2009).

namespace tutti {

namespace detail {

inline constexpr std::size_t cifar_pixels = 3 * 32 * 32, cifar_sample = 1 + cifar_pixels;

/// Puts the samples of a file behind those that are there.
inline void append_cifar10(dataset& all, const std::string& path) {
  data_file file(path);
  std::vector<std::uint8_t> samples(1000 * cifar_sample);
  std::size_t byte = 0;  // of the file
  for (std::size_t got; (got = file.read(samples.data(), samples.size())) > 0; byte += got) {
    if (got % cifar_sample != 0)
      file.refuse(format("is truncated: it ends at byte %zu, inside sample %zu; a sample is %zu bytes, a label and 3×32×32 pixels",
                         byte + got, (byte + got) / cifar_sample, cifar_sample));
    for (std::size_t at = 0; at < got; at += cifar_sample) {
      if (samples[at] >= all.classes)
        file.refuse(format("byte %zu, the label of sample %zu, is %u, and labels are 0 to %zu", byte + at,
                           (byte + at) / cifar_sample, static_cast<unsigned>(samples[at]), all.classes - 1));
      all.labels.push_back(samples[at]);
      const std::uint8_t* pixels = samples.data() + at + 1;
      all.pixels.insert(all.pixels.end(), pixels, pixels + cifar_pixels);
    }
  }
  if (byte == 0) file.refuse(format("is empty; a sample is %zu bytes, a label and 3×32×32 pixels", cifar_sample));
  all.count = all.labels.size();
}

}  // namespace detail

/// Samples of CIFAR-10 from its binary files, one behind the other. Throws
/// `errc::data`, naming file and byte, where one is not what it should be.
inline dataset read_cifar10(const std::vector<std::string>& paths) {
  dataset all{.channels = 3, .height = 32, .width = 32};
  // Of all 50,000 training pictures, by channel.
  all.scales = {{.mean = 0.4914f, .deviation = 0.2470f}, {.mean = 0.4822f, .deviation = 0.2435f}, {.mean = 0.4465f, .deviation = 0.2616f}};
  for (const std::string& path : paths) detail::append_cifar10(all, path);
  return all;
}

/// CIFAR-10, or as much of it as is there: one or more of `data_batch_1.bin` to
/// `data_batch_5.bin`, and `test_batch.bin`.
inline data_sets read_cifar10(const std::string& folder) {
  std::vector<std::string> training;
  for (int number = 1; number <= 5; ++number)
    if (const std::string path = folder + format("/data_batch_%d.bin", number); ::access(path.c_str(), F_OK) == 0)
      training.push_back(path);
  if (training.empty())
    throw error(errc::data, folder + ": there is none of data_batch_1.bin to data_batch_5.bin, CIFAR-10's training pictures");
  const std::string test = folder + "/test_batch.bin";
  if (::access(test.c_str(), F_OK) != 0) throw error(errc::data, test + ": there is no such file, CIFAR-10's test pictures");
  dataset learnt = read_cifar10(training);
  return {.training = std::move(learnt), .test = read_cifar10(std::vector{test})};
}

}  // namespace tutti
