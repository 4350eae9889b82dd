#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tutti/base/config.hpp>
#if TUTTI_ON_X86_64
#include <immintrin.h>
#endif

namespace tutti {

namespace detail {

/// Of 16, 32 or 64 bytes.
enum class vectors : std::uint8_t { narrow, wide, widest };

/// The widest that the processor has, of those that do not slow it down: where first
/// there were any of 64 bytes, it lowered its clock for them.
inline vectors best_vectors() {
#if TUTTI_ON_X86_64
  static const vectors best = __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                                      __builtin_cpu_supports("avx512vl") ? vectors::widest
                              : __builtin_cpu_supports("avx2") ? vectors::wide : vectors::narrow;
  return best;
#else
  return vectors::narrow;
#endif
}
inline bool has_wide_vectors() { return best_vectors() != vectors::narrow; }

#if TUTTI_ON_X86_64
// Lines of 64 bytes to where one begins: half as many stores where there are wide ones.
inline void stream_lines(std::byte* to, const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += sizeof(__m128i))
    _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
}
TUTTI_TARGET_AVX2 inline void stream_lines_wide(std::byte* to, const std::byte* from, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += sizeof(__m256i))
    _mm256_stream_si256(reinterpret_cast<__m256i*>(to + i), _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i)));
}

// One such line.
template <bool Wide>
[[gnu::always_inline]] inline void stream_line(std::byte* to, const std::byte* from) {
  if constexpr (Wide) stream_lines_wide(to, from, 64);
  else stream_lines(to, from, 64);
}
#else
template <bool>
inline void stream_line(std::byte* to, const std::byte* from) { std::memcpy(to, from, 64); }
#endif

}  // namespace detail

/// Has the line at `p`, which other cores have as well, ready to be written.
[[gnu::always_inline]] inline void prefetch_to_write(const void* p) {
#if TUTTI_ON_X86_64
  // The builtin makes one that reads of it, unless told which processor it is for.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(p)));
#else
  __builtin_prefetch(p, 1);
#endif
}

/// Copies `bytes` bytes of host memory that are mostly few: up to 16 without a call.
[[gnu::always_inline]] inline void copy_short(std::byte* to, const std::byte* from, std::size_t bytes) {
  const auto ends = [&]<class Word>(Word first) {
    Word last;
    std::memcpy(&first, from, sizeof first);
    std::memcpy(&last, from + bytes - sizeof last, sizeof last);
    std::memcpy(to, &first, sizeof first);
    std::memcpy(to + bytes - sizeof last, &last, sizeof last);
  };
  if (bytes > 16) std::memcpy(to, from, bytes);
  else if (bytes >= 8) ends(std::uint64_t{});
  else if (bytes >= 4) ends(std::uint32_t{});
  else
    for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
}

/// Copies `bytes` bytes of host memory with stores that pass the caches by: for
/// what is not read again before other data would have driven it out. Others see
/// it only after `end_streaming`.
inline void stream_copy(std::byte* to, const std::byte* from, std::size_t bytes) {
#if TUTTI_ON_X86_64
  constexpr std::size_t line = 64;
  const std::size_t before = (line - reinterpret_cast<std::uintptr_t>(to) % line) % line;
  if (before < bytes) {
    std::memcpy(to, from, before);
    to += before, from += before, bytes -= before;
    const std::size_t lines = bytes - bytes % line;
    (detail::has_wide_vectors() ? detail::stream_lines_wide : detail::stream_lines)(to, from, lines);
    to += lines, from += lines, bytes -= lines;
  }
#endif
  if (bytes > 0) std::memcpy(to, from, bytes);
}

/// What was streamed before is seen by whoever sees a later store.
inline void end_streaming() {
#if TUTTI_ON_X86_64
  _mm_sfence();
#endif
}

}  // namespace tutti
