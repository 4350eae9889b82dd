// refused: binned needs at least 2 bins, for double at least 3, to hold all digits of one number, and takes at most 8
#include <tutti/base/binned.hpp>

tutti::binned<double, 2> sum;
