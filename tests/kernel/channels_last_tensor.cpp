#include <tutti/kernel/channels_last_tensor.hpp>

#include "channels_last_cases.hpp"

using namespace tutti;
using tensor = channels_last::tensor<modular, host>;

TEST_CASE("pictures are copied between orders, and to the features that they are and back") {
  const shape pictures{{"n", 2}, {"c", 3}, {"h", 4}, {"w", 5}}, features{{"n", 2}, {"f", 60}};
  using format = channels_last::picture_format;
  int none = 0;
  std::vector<modular> x = some<modular>(120, 1);
  tensor rows(none, format::row_major(pictures), x.data()), last(none, format::native(pictures)), flat(none, format::native(features)), again(none, format::native(pictures)),
      back(none, format::row_major(pictures));
  auto is = [](const tensor& t, const std::vector<modular>& want) { return std::vector<modular>(t.stored().begin(), t.stored().end()) == want; };
  copy(rows, last, elementwise::here{});
  CHECK(is(last, channels_last_cases::last({2, 3, 4, 5}, x)));
  copy(last, flat, elementwise::here{});
  CHECK(is(flat, x));
  copy(flat, again, elementwise::here{});
  CHECK(is(again, channels_last_cases::last({2, 3, 4, 5}, x)));
  copy(again, back, elementwise::here{});
  CHECK(is(back, x));
}
