#pragma once
#include <tutti/base/config.hpp>

// Stands before a function that host and device call. Constexpr functions, such
// as the operations of a reduction, need it not: compile with nvcc's
// --expt-relaxed-constexpr.
#if TUTTI_ON_CUDA
#define TUTTI_HOST_DEVICE __host__ __device__
#else
#define TUTTI_HOST_DEVICE
#endif
