// Another file of a program that has one already: nothing may be defined in both.
#include <tutti/tutti.hpp>

void every_rank_is_here(tutti::communicator& world) { tutti::barrier(world); }
