// refused: tutti: reduce has no default operation; name the operation before the root, as in reduce(world, in, out, tutti::plus{}, root)
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<float>& x) { tutti::reduce(c, x, 0); }
