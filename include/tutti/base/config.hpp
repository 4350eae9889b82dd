#pragma once
// The only place where feature macros are read.

#define TUTTI_VERSION_MAJOR 0
#define TUTTI_VERSION_MINOR 1
#define TUTTI_VERSION_PATCH 0

namespace tutti {

inline constexpr struct version_number {
  int major = TUTTI_VERSION_MAJOR, minor = TUTTI_VERSION_MINOR, patch = TUTTI_VERSION_PATCH;
} version;

// Whether the compiler targets x86-64, so that wider vectors can be asked for
// at run time.
#if defined(__x86_64__)
#define TUTTI_ON_X86_64 1
#define TUTTI_TARGET_AVX2 [[gnu::target("avx2")]]
#if defined(__clang__)
#define TUTTI_TARGET_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl"), clang::min_vector_width(512)]]
#else
#define TUTTI_TARGET_AVX512 [[gnu::target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")]]
#endif
#else
#define TUTTI_ON_X86_64 0
#define TUTTI_TARGET_AVX2
#define TUTTI_TARGET_AVX512
#endif

// What is long and no template stands behind `#if TUTTI_WITH_BODIES`, at the end
// of the header that declares it. Usually every file compiles it, inline. A
// project that links the object of tutti.cpp defines TUTTI_COMPILED, as its
// pkg-config and CMake files do, and its files then compile the declarations
// only.
#if defined(TUTTI_COMPILING)
#define TUTTI_WITH_BODIES 1
#define TUTTI_BODY
#elif defined(TUTTI_COMPILED)
#define TUTTI_WITH_BODIES 0
#else
#define TUTTI_WITH_BODIES 1
#define TUTTI_BODY inline
#endif

// How many characters of a text in a template's argument the compiler writes out.
#if defined(__clang__)
#define TUTTI_SHOWN_CHARACTERS 31
#else
#define TUTTI_SHOWN_CHARACTERS 383
#endif

// Whether the compiler makes code for CUDA devices as well.
#if defined(__CUDACC__)
#define TUTTI_ON_CUDA 1
#else
#define TUTTI_ON_CUDA 0
#endif

// How often the loop behind it is unrolled. nvcc warns of what the host's compiler knows.
#if defined(__CUDACC__)
#define TUTTI_UNROLL(times)
#else
#define TUTTI_PRAGMA(text) _Pragma(#text)
#define TUTTI_UNROLL(times) TUTTI_PRAGMA(GCC unroll times)
#endif

// For which devices this pass of the compiler makes code: 900 for sm_90, 0 where it is the host's.
#if defined(__CUDA_ARCH__)
#define TUTTI_DEVICE_PASS __CUDA_ARCH__
#else
#define TUTTI_DEVICE_PASS 0
#endif

// Whether the libraries for networks on CUDA devices are there too.
#if TUTTI_ON_CUDA && __has_include(<cudnn.h>) && __has_include(<cublas_v2.h>)
#define TUTTI_ON_CUDNN 1
#else
#define TUTTI_ON_CUDNN 0
#endif

/// True under a thread sanitizer.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool under_thread_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool under_thread_sanitizer = true;
#else
inline constexpr bool under_thread_sanitizer = false;
#endif
#else
inline constexpr bool under_thread_sanitizer = false;
#endif

}  // namespace tutti
