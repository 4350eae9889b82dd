// refused: accumulate_in names a type that is narrower than the element; say send_as where the loss is meant
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<float>& x) { tutti::all_reduce(c, x, tutti::accumulate_in<tutti::half>(tutti::plus{})); }
