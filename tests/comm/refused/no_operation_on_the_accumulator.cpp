// refused: the operation must take two elements and return one, as in op(a, b) -> T, and be callable when const
#include <tutti/comm/collectives.hpp>

#include <vector>

struct of_bfloat16_only {
  tutti::bfloat16 operator()(const tutti::bfloat16& a, const tutti::bfloat16&) const { return a; }
  float operator()(const float& a, const float& b) const = delete;
};

void f(tutti::communicator& c, std::vector<float>& x) {
  tutti::all_reduce(c, x, tutti::send_as<tutti::bfloat16>(tutti::accumulate_in<float>(of_bfloat16_only{})));
}
