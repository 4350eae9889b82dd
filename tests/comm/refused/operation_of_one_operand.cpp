// refused: the operation must take two elements and return one, as in op(a, b) -> T, and be callable when const
#include <tutti/comm/collectives.hpp>

void f(tutti::communicator& c, std::vector<float>& x) {
  tutti::all_reduce(c, x, [](float a) { return a; });
}
