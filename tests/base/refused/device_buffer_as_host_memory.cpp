// refused: this buffer lives in another memory space; copy it first, or take a span of its own space
#include <tutti/base/span.hpp>

void fold(tutti::span<float> host);

void f(tutti::span<float, tutti::cuda> device) { fold(device); }
