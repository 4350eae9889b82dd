// refused: elements travel as bytes, so their type must be trivially copyable; send what the objects hold instead, for example their numbers in a vector
#include <tutti/comm/collectives.hpp>

#include <string>

void f(tutti::communicator& c, std::vector<std::string>& names) { tutti::broadcast(c, names, 0); }
