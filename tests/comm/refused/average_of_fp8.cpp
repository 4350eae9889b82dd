// refused: the sum behind an average does not fit into 8 bits; say accumulate_in<float>(average{})
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<tutti::fp8_e4m3>& x) { tutti::all_reduce(c, x, tutti::average{}); }
