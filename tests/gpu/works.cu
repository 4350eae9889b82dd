// Whether nvcc compiles what Tutti needs: asked when the build is configured.
#include <concepts>

template <std::integral T>
__global__ void add(T* x) {
  x[threadIdx.x] += 1;
}
template __global__ void add(int*);
