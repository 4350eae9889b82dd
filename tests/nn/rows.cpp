#include <tutti/nn/rows.hpp>

#include <doctest/doctest.h>

#include <algorithm>

#include <tutti/kernel/naive_backend.hpp>

using namespace tutti;

TEST_CASE("a tensor's rows go in and come out") {
  using backend = naive_backend<int>;
  backend::context c;
  const auto f = backend::format::row_major({{"n", 3}});
  backend::tensor t(c, f);
  int in[] = {1, 2, 3}, out[3] = {};
  put_rows<backend>(c, f, span<int>(in, 3), t);
  fetch_rows<backend>(c, f, t, span<int>(out, 3));
  CHECK(std::equal(in, in + 3, out));
  fetch_rows<backend>(c, f, t, span<int>());
}
