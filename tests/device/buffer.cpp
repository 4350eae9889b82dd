#include <tutti/device/buffer.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <numeric>

using namespace tutti;

// So that the address sanitizer, too, answers a size that no machine has with a null pointer.
extern "C" const char* __asan_default_options();  // NOLINT: the sanitizer's name
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

TEST_CASE("memory begins on a cache line, and all of it is there") {
  for (std::size_t n : {1u, 2u, 7u, 63u, 64u, 65u, 1000u, 100003u}) {
    CAPTURE(n);
    buffer<std::uint8_t> bytes(n);
    buffer<double> numbers(n);
    CHECK(reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(numbers.data()) % 64 == 0);
    CHECK(bytes.size() == n);
    CHECK(bytes.end() - bytes.begin() == static_cast<std::ptrdiff_t>(n));
    std::iota(numbers.begin(), numbers.end(), 0.0);  // the address sanitizer watches the end
    bytes[n - 1] = 7;
    CHECK(numbers[n - 1] == static_cast<double>(n - 1));
    CHECK(std::as_const(bytes)[n - 1] == 7);
  }
}

TEST_CASE("of zero elements it holds nothing and is legal") {
  buffer<int> none(0), fresh;
  CHECK(none.empty());
  CHECK(none.data() == nullptr);
  CHECK(none.begin() == none.end());
  CHECK(fresh.empty());
  CHECK(span<int>(none).empty());
}

TEST_CASE("moving hands the memory over") {
  buffer<int> first(10);
  first[9] = 42;
  const int* at = first.data();
  buffer<int> second = std::move(first);
  CHECK(second.data() == at);
  CHECK(second.size() == 10);
  CHECK(first.empty());  // NOLINT: moved from, and said to be empty
  CHECK(first.data() == nullptr);

  buffer<int> third(3);
  third = std::move(second);
  CHECK(third.data() == at);
  CHECK(third[9] == 42);
  buffer<int>& itself = third;
  third = std::move(itself);
  CHECK(third.data() == at);
  CHECK(third.size() == 10);
  third = buffer<int>();
  CHECK(third.empty());

  static_assert(!std::is_copy_constructible_v<buffer<int>> && !std::is_copy_assignable_v<buffer<int>>);
  static_assert(std::is_nothrow_move_constructible_v<buffer<int>>);
}

TEST_CASE("more than there can be is refused, not wrapped around") {
  constexpr std::size_t most = std::numeric_limits<std::size_t>::max();
  struct big {
    std::byte bytes[24];
  };
  CHECK_THROWS_AS(buffer<std::uint8_t>{most}, std::bad_alloc);
  CHECK_THROWS_AS(buffer<double>{most / 8 + 2}, std::bad_alloc);  // 8 times that is 8 bytes in 64 bits
  CHECK_THROWS_AS(buffer<big>{most / 24 + 1}, std::bad_alloc);
  CHECK_THROWS_AS(buffer<double>{most / 8}, std::bad_alloc);
  // Well-formed, and more than the address space. It must be looked at: clang leaves out memory that nobody sees.
  const void* volatile seen = nullptr;
  CHECK_THROWS_AS(seen = buffer<double>{std::size_t{1} << 57}.data(), std::bad_alloc);
  CHECK(seen == nullptr);
  CHECK_THROWS_AS(memory<host>::allocate(most - 10), std::bad_alloc);
}

namespace {

struct counting_source final : memory_source {
  void* allocate(std::size_t bytes) override {
    ++live;
    last = bytes;
    return memory<host>::allocate(bytes);
  }
  void release(void* data, std::size_t bytes) noexcept override {
    --live;
    right &= bytes == last;
    memory<host>::release(data);
  }
  int live = 0;
  std::size_t last = 0;
  bool right = true;
};

struct owner {
  std::shared_ptr<memory_source> memory() { return source; }
  std::shared_ptr<counting_source> source = std::make_shared<counting_source>();
};

}  // namespace

TEST_CASE("a buffer takes its memory from an owner, and gives it back there, also when that has gone") {
  auto from = std::make_unique<owner>();
  const std::shared_ptr<counting_source> source = from->source;
  {
    buffer<double> x(*from, 10), none(*from, 0);
    CHECK(source->live == 1);
    CHECK(source->last == 80);
    CHECK(none.data() == nullptr);
    x[9] = 3;
    buffer<double> heap(4);
    std::swap(x, heap);
    CHECK(heap[9] == 3);
    CHECK(x.size() == 4);
    buffer<double> moved = std::move(heap);
    CHECK(source->live == 1);
    from.reset();
    moved = buffer<double>();
    CHECK(source->live == 0);
    CHECK(source->right);
  }
  CHECK(source.use_count() == 1);
  CHECK_THROWS_AS((buffer<double>(source, std::numeric_limits<std::size_t>::max() / 8)), std::bad_alloc);
}

TEST_CASE("a span of a buffer keeps its space") {
  buffer<float> b(5);
  span<float> s(b);
  CHECK(s.data() == b.data());
  CHECK(s.size() == 5);
  static_assert(std::is_same_v<decltype(span(b)), span<float, host>>);
  static_assert(std::is_same_v<buffer<float>::space, host>);
}
