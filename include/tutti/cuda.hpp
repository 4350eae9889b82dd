#pragma once
// tutti.hpp, and the same on memory of CUDA devices: needs the CUDA runtime's
// headers and library. Compiled by nvcc (with -std=c++20
// --expt-relaxed-constexpr), devices of one host read each other's memory;
// compiled by any other compiler, data goes through the host. Where nvcc finds cuDNN's
// headers, the backend of networks comes along; what uses it links cudnn and cublas.
#include <tutti/tutti.hpp>

#include <tutti/comm/device_collectives.hpp>
#include <tutti/comm/device_uneven.hpp>
#include <tutti/device/device_memory.hpp>
#include <tutti/device/gpu.hpp>
#include <tutti/device/transfer.hpp>
#if TUTTI_ON_CUDNN
#include <tutti/kernel/cudnn.cuh>
#include <tutti/nn/device_moves.hpp>
#endif
