#include <tutti/kernel/picture_format.hpp>

#include <doctest/doctest.h>

using namespace tutti;
using channels_last::picture_format;

TEST_CASE("pictures lie with their channels last unless told otherwise, and orders that differ have other numbers") {
  const shape pictures{{"n", 2}, {"c", 3}, {"h", 4}, {"w", 5}}, features{{"n", 2}, {"f", 60}}, single{{"n", 2}, {"c", 1}, {"h", 4}, {"w", 5}};
  const picture_format last = picture_format::native(pictures), rows = picture_format::row_major(pictures);
  CHECK(!last.rows());
  CHECK(rows.rows());
  CHECK(last.row_major() == rows);
  CHECK(last.stored() == 120);
  CHECK(picture_format::native(features) == picture_format::row_major(features));
  CHECK(picture_format::native(single) == picture_format::row_major(single));
  CHECK(last.fingerprint() != rows.fingerprint());
  CHECK(last.fingerprint() != picture_format::native(features).fingerprint());
  CHECK(last.fingerprint() == picture_format::native(pictures).fingerprint());
  CHECK(picture_format::native({{"n", 1}, {"c", 2}, {"d", 5}, {"h", 3}, {"w", 4}}).sizes() == channels_last::sizes{.batch = 1, .channels = 2, .height = 3, .width = 4, .depth = 5});
  CHECK(picture_format::native({{"n", 1}, {"c", 2}, {"d", 1}, {"h", 3}, {"w", 4}}).sizes() == channels_last::sizes{1, 2, 3, 4});
}
