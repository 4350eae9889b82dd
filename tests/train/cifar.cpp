#include <tutti/train/cifar.hpp>

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tutti;

TEST_CASE("CIFAR-10's files are read one behind the other") {
  scratch_folder here;
  here.put("data_batch_1.bin", cifar(3, 0));
  here.put("data_batch_4.bin", packed(cifar(1002, 3)));
  here.put("test_batch.bin", cifar(2, 5));
  const data_sets both = read_cifar10(here.path());
  CHECK(both.training.count == 1005);
  CHECK(both.training.sample_size() == 3072);
  CHECK(both.training.scales.size() == 3);
  CHECK(both.test.count == 2);
  for (std::size_t i = 0; i < both.training.count; ++i) REQUIRE(both.training.labels[i] == i % 10);
  CHECK(both.test.labels == bytes{5, 6});
  const bytes second = cifar(1002, 3);
  CHECK(std::equal(both.training.pixels.end() - 3072, both.training.pixels.end(), second.end() - 3072));
}

TEST_CASE("damaged files of CIFAR-10 are refused, with file, byte and what would be right") {
  scratch_folder here;
  const std::string none = here.path() + ": there is none of data_batch_1.bin to data_batch_5.bin, CIFAR-10's training pictures";
  CHECK_THROWS_WITH_AS((void)read_cifar10(here.path()), none.c_str(), error);
  const std::string batch = here.put("data_batch_2.bin", cifar(2, 0));
  const std::string no_test = here.path() + "/test_batch.bin: there is no such file, CIFAR-10's test pictures";
  CHECK_THROWS_WITH_AS((void)read_cifar10(here.path()), no_test.c_str(), error);
  here.put("test_batch.bin", cifar(1, 0));
  CHECK(read_cifar10(here.path()).training.count == 2);

  auto refusal = [&](const bytes& content) {
    here.put("data_batch_2.bin", content);
    try {
      (void)read_cifar10(here.path());
    } catch (const error& e) {
      CHECK(e.code() == errc::data);
      const std::string text = e.what();
      REQUIRE(text.find(batch + ": ") == 0);
      return text.substr(batch.size() + 2);
    }
    return std::string("none");
  };
  bytes cut = cifar(1001, 0);
  cut.resize(cut.size() - 5);
  CHECK(refusal(cut) == "is truncated: it ends at byte 3076068, inside sample 1000; a sample is 3073 bytes, a label and 3×32×32 pixels");
  bytes wrong = cifar(1003, 0);
  wrong[1001 * 3073] = 10;
  CHECK(refusal(wrong) == "byte 3076073, the label of sample 1001, is 10, and labels are 0 to 9");
  CHECK(refusal({}) == "is empty; a sample is 3073 bytes, a label and 3×32×32 pixels");
}
