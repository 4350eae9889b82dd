#include <tutti/kernel/onednn_context.hpp>

#include <doctest/doctest.h>

#include "onednn_tools.hpp"

using namespace tutti;
using onednn::memory_format;
using onednn::tensor;

TEST_CASE("Cores are shared out to the ranks of a host, none gets less than one") {
  CHECK(onednn::threads_per_rank(1) == usable_cores());
  CHECK(onednn::threads_per_rank(usable_cores()) == 1);
  CHECK(onednn::threads_per_rank(1000000) == 1);
}

TEST_CASE("A context sets the threads that OpenMP gives to oneDNN") {
  auto most = reinterpret_cast<int (*)()>(::dlsym(RTLD_DEFAULT, "omp_get_max_threads"));
  if (!most) return;  // oneDNN with another pool of threads
  for (int threads : {1, 3, 2}) {
    onednn::context c(threads);
    CHECK(most() == threads);
  }
}

TEST_CASE("Values survive any format, and what pads a block is 0") {
  onednn::context c(1);
  const auto plain = memory_format::row_major({{"n", 2}, {"c", 19}, {"h", 3}, {"w", 5}});
  const memory_format blocked(
      dnnl::memory::desc(plain.sizes(), dnnl::memory::data_type::f32, dnnl::memory::format_tag::nChw16c));
  CHECK(plain.stored() == 2 * 19 * 15);
  CHECK(blocked.stored() == 2 * 32 * 15);
  CHECK(!(plain == blocked));
  CHECK(blocked.row_major() == plain);
  auto values = some<float>(plain.stored(), 1);
  tensor t = filled(c, blocked, values);
  CHECK(values_of(c, t, values.size()) == values);
  std::size_t zeros = 0;
  for (float v : t.stored()) zeros += v == 0;
  CHECK(zeros == blocked.stored() - plain.stored());
}

TEST_CASE("An adapter does nothing between equals, and otherwise counts what it does") {
  onednn::context c(1);
  const auto plain = memory_format::row_major({{"n", 4}, {"k", 3}});
  const memory_format other(dnnl::memory::desc({4, 3}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ba));
  auto values = some<float>(12, 1);
  tensor t = filled(c, plain, values);
  onednn::adapter same(c, plain, plain.description()), different(c, plain, other.description());
  CHECK(same.in(c, t).get() == t.memory().get());
  same.done(c, t);
  CHECK(c.reorders() == 0);
  const auto& turned = different.in(c, t);
  CHECK(c.reorders() == 1);
  CHECK(static_cast<const float*>(turned.get_data_handle())[1] == values[3]);
  tensor back(c, plain);
  CHECK(different.out(back).get() == turned.get());
  different.done(c, back);
  CHECK(values_of(c, back, 12) == values);
  CHECK(c.reorders() == 2);
}
