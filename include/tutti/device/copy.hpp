#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <tutti/base/config.hpp>
#if TUTTI_ON_X86_64
#include <emmintrin.h>
#endif

namespace tutti {

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
    for (; bytes >= line; to += line, from += line, bytes -= line)
      for (std::size_t i = 0; i < line; i += sizeof(__m128i))
        _mm_stream_si128(reinterpret_cast<__m128i*>(to + i), _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i)));
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
