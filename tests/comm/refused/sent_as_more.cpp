// refused: send_as names a type of more bytes than the element; say accumulate_in where that is meant
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<float>& x) { tutti::reduce(c, x, tutti::send_as<double>(tutti::plus{}), 0); }
