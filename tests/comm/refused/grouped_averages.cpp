// refused: grouped vectors are folded as they are; convert or divide them one by one, after the call
#include <tutti/comm/grouped.hpp>

void average_all(tutti::communicator& c, tutti::grouped<float>& g) { tutti::all_reduce(c, g, tutti::average{}); }
