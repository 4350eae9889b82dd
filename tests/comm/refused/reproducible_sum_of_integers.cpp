// refused: a reproducible sum is of float, double, half or bfloat16; sums of integers are exact already, by plus
#include <tutti/comm/reproducible_sum.hpp>

#include <vector>

long f(tutti::communicator& c, std::vector<long>& x) { return tutti::reproducible_sum(c, x); }
