#include <tutti/comm/nccl_support.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using namespace tutti;
using detail::nccl_element;
using detail::why_not_by_nccl;

namespace {

struct pair {
  float a, b;
};
struct own {
  template <class T>
  constexpr T operator()(const T& a, const T&) const { return a; }
};

}  // namespace

TEST_CASE("each type is NCCL's of the same numbers, or none") {
  using as = nccl::element;
  static_assert(nccl_element<std::int8_t>() == as::int8 && nccl_element<std::uint8_t>() == as::uint8);
  static_assert(nccl_element<std::int32_t>() == as::int32 && nccl_element<std::uint32_t>() == as::uint32);
  static_assert(nccl_element<long>() == as::int64 && nccl_element<long long>() == as::int64 && nccl_element<unsigned long>() == as::uint64);
  static_assert(nccl_element<half>() == as::float16 && nccl_element<bfloat16>() == as::bfloat16);
  static_assert(nccl_element<float>() == as::float32 && nccl_element<double>() == as::float64);
  static_assert(!nccl_element<bool>() && !nccl_element<short>() && !nccl_element<long double>() && !nccl_element<pair>());
  static_assert(!nccl_element<fp8_e4m3>() && !nccl_element<fp8_e5m2>());
}

TEST_CASE("each operation is NCCL's or none, and products of short floats are not taken") {
  using by = nccl::reduction;
  static_assert(detail::nccl_reduction<plus>() == by::sum && detail::nccl_reduction<multiplies>() == by::product);
  static_assert(detail::nccl_reduction<minimum>() == by::min && detail::nccl_reduction<maximum>() == by::max);
  static_assert(!detail::nccl_reduction<own>() && !detail::nccl_reduction<bit_and>() && !detail::nccl_reduction<no_operation>());
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::reduce}) {
    CHECK(why_not_by_nccl<float, multiplies>(what) == nullptr);
    CHECK(why_not_by_nccl<bfloat16, plus>(what) == nullptr);
    CHECK(std::string(why_not_by_nccl<bfloat16, multiplies>(what)) == "NCCL would round a product of short floats after every factor");
    CHECK(std::string(why_not_by_nccl<half, multiplies>(what)) == "NCCL would round a product of short floats after every factor");
    CHECK(std::string(why_not_by_nccl<float, own>(what)) == "NCCL has sum, product, min and max, and no other operation");
    CHECK(std::string(why_not_by_nccl<short, plus>(what)) ==
          "NCCL combines integers of 8, 32 and 64 bits, half, bfloat16, float and double, and nothing else");
  }
}

TEST_CASE("what NCCL may combine otherwise than Tutti goes by it only where it is asked for") {
  using detail::why_not_unasked;
  for (collective what : {collective::all_reduce, collective::reduce_scatter, collective::reduce}) {
    CHECK(std::string(why_not_unasked<half, plus>(what)) == "NCCL does not promise to add up short floats in float");
    CHECK(std::string(why_not_unasked<bfloat16, plus>(what)) == "NCCL does not promise to add up short floats in float");
    CHECK(std::string(why_not_unasked<float, minimum>(what)) == "of a NaN and a number, NCCL's min and max may take the other one");
    CHECK(why_not_unasked<double, maximum>(what) != nullptr);
    CHECK(why_not_unasked<half, maximum>(what) != nullptr);
    CHECK(why_not_unasked<float, plus>(what) == nullptr);
    CHECK(why_not_unasked<float, multiplies>(what) == nullptr);
    CHECK(why_not_unasked<int, minimum>(what) == nullptr);
  }
  CHECK(why_not_unasked<half, no_operation>(collective::all_gather) == nullptr);
}

TEST_CASE("what moves goes whatever its type, and scans and barriers do not") {
  for (collective what : {collective::all_gather, collective::broadcast, collective::gather, collective::scatter, collective::all_to_all})
    CHECK(why_not_by_nccl<pair, no_operation>(what) == nullptr);
  CHECK(std::string(why_not_by_nccl<float, plus>(collective::scan)) == "NCCL has no scans");
  CHECK(std::string(why_not_by_nccl<float, plus>(collective::exclusive_scan)) == "NCCL has no scans");
  CHECK(std::string(why_not_by_nccl<float, no_operation>(collective::barrier)) == "NCCL has no barrier");
}
