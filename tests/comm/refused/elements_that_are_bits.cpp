// refused: tutti: take something with data() and size(), such as std::vector, std::array or tutti::span; the elements of std::vector<bool> are bits and have no address
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<bool>& x) { tutti::all_reduce(c, x); }
