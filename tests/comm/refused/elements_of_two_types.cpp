// refused: tutti: input and output hold elements of different types; give both one type, and say send_as or accumulate_in where another is to travel or to be added up in
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<float>& x, std::vector<int>& y) { tutti::all_reduce(c, x, y); }
