// What need not be compiled in every file of a project, compiled once: link its
// object with files that are compiled with -DTUTTI_COMPILED.
#define TUTTI_COMPILING
#include <tutti/tutti.hpp>
