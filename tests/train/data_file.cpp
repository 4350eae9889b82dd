#include <tutti/train/data_file.hpp>

#include <doctest/doctest.h>

#include "files.hpp"

using namespace tutti;

TEST_CASE("a file is read to its end, packed or not, and refused by its name") {
  scratch_folder here;
  const bytes content = images(3, 4, 5);
  for (const std::string& path : {here.put("plain", content), here.put("packed", packed(content))}) {
    data_file file(path);
    bytes read(content.size() + 7);
    CHECK(file.read(read.data(), 10) == 10);
    CHECK(file.read(read.data() + 10, read.size() - 10) == content.size() - 10);
    read.resize(content.size());
    CHECK(read == content);
    CHECK_THROWS_WITH_AS(file.refuse("is odd"), (path + ": is odd").c_str(), error);
  }
  CHECK_THROWS_WITH_AS(data_file(here.path() + "/none"), (here.path() + "/none: cannot be opened").c_str(), error);
}
