// refused: tutti: elements must lie one after the other in memory, and those of std::vector<bool> are bits; take a vector of unsigned char, or a span
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<bool>& x) { tutti::all_reduce(c, x); }
