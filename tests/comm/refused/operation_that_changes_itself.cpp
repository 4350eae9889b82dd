// refused: the operation must take two elements and return one, as in op(a, b) -> T, and be callable when const
#include <tutti/comm/collectives.hpp>

void f(tutti::communicator& c, std::vector<float>& x) {
  int calls = 0;
  tutti::reduce(c, x, [calls](float a, float b) mutable { return ++calls, a + b; }, 0);
}
