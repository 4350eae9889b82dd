// refused: the average of integers is seldom an integer; reduce by plus and divide as you need it, or convert to float or double first
#include <tutti/comm/collectives.hpp>

#include <vector>

void f(tutti::communicator& c, std::vector<int>& x) { tutti::all_reduce(c, x, tutti::average{}); }
