#include <tutti/nn/networks/vgg.hpp>

#include <doctest/doctest.h>

#include <tutti/nn/parameter.hpp>

using namespace tutti;

TEST_CASE("VGG-16 has the published parameters in sixteen layers with weights") {
  CHECK(learned_numbers(vgg16()) == 138'357'544);
  std::size_t with_weights = 0;
  for (const layer& o : vgg16().layers) with_weights += o.has_weights();
  CHECK(with_weights == 16);
  CHECK(vgg16().layers[9].label == name("pool2"));
  CHECK(shapes_of(vgg16(cifar_pictures), 1).back().of("features") == 10);
}
