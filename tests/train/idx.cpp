#include <tutti/train/idx.hpp>

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tutti;

namespace {
/// What is wrong with a file, without the file's name, which must be there.
std::string complaint(const std::string& path, bool as_images) {
  try {
    if (as_images) (void)read_idx_images(path);
    else (void)read_idx_labels(path);
  } catch (const error& e) {
    CHECK(e.code() == errc::data);
    const std::string text = e.what();
    REQUIRE(text.substr(0, path.size() + 2) == path + ": ");
    return text.substr(path.size() + 2);
  }
  return "nothing";
}
bytes cut(bytes content, std::size_t size) {
  content.resize(size);
  return content;
}
}  // namespace

TEST_CASE("Images and labels are read, packed or plain, none included") {
  scratch_folder here;
  for (bool pack : {false, true})
    for (std::uint32_t count : {0u, 1u, 3u, 5000u}) {
      const bytes i = images(count, 28, 27), l = labels(count);
      const idx_images got = read_idx_images(here.put("images", pack ? packed(i) : i));
      CHECK(got.count == count);
      CHECK(got.height == 28);
      CHECK(got.width == 27);
      CHECK(got.pixels == bytes(i.begin() + 16, i.end()));
      CHECK(read_idx_labels(here.put("labels", pack ? packed(l) : l)) == bytes(l.begin() + 8, l.end()));
    }
}

TEST_CASE("A file that is not what it should be is named, and so is what is wrong") {
  scratch_folder here;
  const bytes good = images(10, 3, 2);
  CHECK(complaint(here.path() + "/none", true) == "cannot be opened");
  CHECK(complaint(here.put("a", {}), true) == "is truncated: it ends inside its header, before its kind");
  CHECK(complaint(here.put("b", cut(good, 7)), true) ==
        "is truncated: it ends inside its header, before the number of images");
  CHECK(complaint(here.put("c", cut(good, 16)), true) ==
        "is truncated: its header promises 60 bytes of data, and 0 are there");
  CHECK(complaint(here.put("d", cut(good, 75)), true) ==
        "is truncated: its header promises 60 bytes of data, and 59 are there");
  CHECK(complaint(here.put("e", cut(good, 77)), true) ==
        "holds more than the 60 bytes of data that its header promises");
  CHECK(complaint(here.put("f", labels(4)), true) == "holds labels (0x00000801), and images (0x00000803) are wanted");
  CHECK(complaint(here.put("g", good), false) == "holds images (0x00000803), and labels (0x00000801) are wanted");
  CHECK(complaint(here.put("h", {'P', '5', ' ', '2', '8'}), true) ==
        "is no IDX file of images: it begins with 0x50352032, not 0x00000803");
  CHECK(complaint(here.put("i", images(3, 0, 4)), true) == "holds images of 0×4 pixels");
  CHECK(complaint(here.path(), true).substr(0, 6) == "cannot");  // a folder
}

TEST_CASE("A damaged gzip stream is told from a short one") {
  scratch_folder here;
  const bytes good = packed(images(100, 7, 5));
  CHECK(complaint(here.put("short", cut(good, good.size() / 2)), true) ==
        "is truncated: its gzip stream ends too early");
  CHECK(complaint(here.put("shorter", cut(good, good.size() - 3)), true) ==
        "is truncated: its gzip stream ends too early");
  bytes wrong_sum = good;
  wrong_sum[good.size() - 6] ^= 1;  // the check sum of the data is in the eighth to fifth byte from the end
  CHECK(complaint(here.put("sum", wrong_sum), true).find("incorrect data check") != std::string::npos);
  bytes wrong_data = good;
  wrong_data[12] ^= 0xff;
  CHECK(complaint(here.put("data", wrong_data), true) != "nothing");
}

TEST_CASE("A header that promises the world does not take its memory") {
  scratch_folder here;
  bytes greedy;
  for (std::uint32_t number : {0x803u, 0xffffffffu, 0xffffffffu, 0xffffffffu}) add_number(greedy, number);
  CHECK(complaint(here.put("greedy", greedy), true) ==
        "is corrupt: its header promises 4294967295 images of 4294967295×4294967295 pixels");
  greedy.clear();
  for (std::uint32_t number : {0x803u, 0xffffffffu, 0xffffu, 0xffffu}) add_number(greedy, number);
  CHECK(complaint(here.put("less", greedy), true) ==
        "is truncated: its header promises 18446181123756261375 bytes of data, and 0 are there");
}
