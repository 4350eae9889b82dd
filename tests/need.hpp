#pragma once
#include <stdexcept>

namespace tests {

/// For ranks of a test: what they throw names what does not hold.
template <class Text>
void need(bool holds, const Text& what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace tests
