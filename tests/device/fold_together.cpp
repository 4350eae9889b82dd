#include <tutti/device/fold_together.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "../comm/cases.hpp"
#include "../kernel/modular.hpp"

using namespace tutti;

namespace {

// All ranks' vectors in one, so that they begin at multiples of 16 bytes, or do not.
template <class T, class Op, class Make>
void check(int ranks, std::size_t n, std::size_t shift, bool in_place, bool to_all, const Op& op, Make make) {
  CAPTURE(ranks);
  CAPTURE(to_all);
  CAPTURE(n);
  CAPTURE(shift);
  const std::size_t each = (n + 31) / 16 * 16;
  alignas(16) static T in[9 * 128], out[9 * 128];
  const int outputs = to_all ? ranks : 1;
  fold_together<T, Op> body{.ranks = ranks, .outputs = outputs, .elements = n, .op = op};
  for (int r = 0; r < ranks; ++r) {
    const std::size_t first = static_cast<std::size_t>(r) * each + shift;
    body.in[r] = in + first, body.out[r] = (in_place ? in : out) + first;
  }
  for (std::size_t i = 0; i < 9 * 128; ++i) in[i] = make(i), out[i] = make(i + 1);
  std::vector<T> wanted_in(in, in + 9 * 128), wanted_out(out, out + 9 * 128);
  for (std::size_t i = 0; i < n; ++i) {
    auto sum = static_cast<wide<T, Op>>(body.in[0][i]);
    for (int r = 1; r < ranks; ++r) sum = op(sum, static_cast<wide<T, Op>>(body.in[r][i]));
    for (int r = 0; r < outputs; ++r) (in_place ? wanted_in : wanted_out)[static_cast<std::size_t>(r) * each + shift + i] = static_cast<T>(sum);
  }
  for (std::size_t w = 5; w-- > 0;) body(worker{w, 5});
  CHECK(std::vector<T>(in, in + 9 * 128) == wanted_in);
  CHECK(std::vector<T>(out, out + 9 * 128) == wanted_out);
}

template <class T, class Op, class Make>
void check_all(const Op& op, Make make) {
  for (int ranks : {1, 2, 3, 8})
    for (std::size_t n : {0u, 1u, 3u, 16u, 61u, 100u})
      for (std::size_t shift : {0u, 1u})
        for (bool in_place : {false, true})
          for (bool to_all : {false, true}) check<T>(ranks, n, shift, in_place, to_all, op, make);
}

}  // namespace

TEST_CASE("one kernel folds what all ranks have, in their order, and gives it to all or to one, aligned or not, in place or not") {
  check_all<modular>(plus{}, [](std::size_t i) { return modular(i * 7919 + 3); });
  check_all<cases::affine>(cases::compose{}, [](std::size_t i) { return cases::affine{static_cast<std::uint32_t>(i * 31 + 1), static_cast<std::uint32_t>(i)}; });
  check_all<bfloat16>(plus{}, [](std::size_t i) { return bfloat16(static_cast<float>(i % 23)); });
  check_all<std::int8_t>(maximum{}, [](std::size_t i) { return static_cast<std::int8_t>(i * 37); });
}
