// refused: a standard container is host memory; name the space of device memory with tutti::span<T, tutti::cuda>(pointer, size)
#include <tutti/base/span.hpp>

#include <vector>

void fold(tutti::span<float, tutti::cuda> device);

void f(std::vector<float>& v) { fold(v); }
