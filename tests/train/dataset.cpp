#include <tutti/train/dataset.hpp>

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tutti;

TEST_CASE("Images and labels that belong together make a data set") {
  scratch_folder here;
  const dataset all = read_idx(here.put("i", images(12, 3, 5)), here.put("l", packed(labels(12))));
  CHECK(all.count == 12);
  CHECK(all.sample_size() == 15);
  CHECK(all.labels[11] == 1);
  CHECK(all.pixels[15] == 15);
}

TEST_CASE("Images and labels that do not are refused by name") {
  scratch_folder here;
  const std::string i = here.put("i", images(12, 3, 5)), few = here.put("few", labels(11));
  CHECK_THROWS_WITH_AS((void)read_idx(i, few), (i + " holds 12 images, but " + few + " holds 11 labels").c_str(),
                       error);
  bytes wrong = labels(12);
  wrong[8 + 7] = 10;
  const std::string l = here.put("l", wrong);
  CHECK_THROWS_WITH_AS((void)read_idx(i, l),
                       (l + ": label 10 of sample 7 is out of range: there are 10 classes").c_str(), error);
  CHECK(read_idx(i, l, 11).count == 12);
}

TEST_CASE("MNIST's four files are found packed or plain, and missed by name") {
  scratch_folder here;
  here.put("train-images-idx3-ubyte.gz", packed(images(5, 28, 28)));
  here.put("train-labels-idx1-ubyte", labels(5));
  here.put("t10k-images-idx3-ubyte", images(3, 28, 28));
  CHECK_THROWS_WITH_AS((void)read_mnist(here.path()),
                       (here.path() + "/t10k-labels-idx1-ubyte: there is no such file, with .gz or without").c_str(),
                       error);
  here.put("t10k-labels-idx1-ubyte.gz", packed(labels(3)));
  const data_sets both = read_mnist(here.path());
  CHECK(both.training.count == 5);
  CHECK(both.test.count == 3);
  const std::string wide = here.put("t10k-images-idx3-ubyte", images(3, 28, 30));
  CHECK_THROWS_WITH_AS((void)read_mnist(here.path()), (wide + ": its images are 28×30, and MNIST's are 28×28").c_str(),
                       error);
}
