#pragma once
#include <tutti/nn/network.hpp>
#include <tutti/nn/networks/pictures.hpp>

namespace tutti {

/// Column D of Simonyan and Zisserman, Very deep convolutional networks for large-scale
/// image recognition, 2014. 138,357,544 parameters for 1000 classes.
constexpr network vgg16(const pictures& of = imagenet_pictures) {
  constexpr struct {
    std::size_t convolutions, filters;
  } stages[] = {{2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}};
  network net(of.sample());
  for (std::size_t s = 1; s <= 5; ++s) {
    for (std::size_t c = 1; c <= stages[s - 1].convolutions; ++c)
      net.convolution(name("conv") + s + "_" + c, {.filters = stages[s - 1].filters, .kernel = 3, .padding = 1}).relu();
    net.max_pool(name("pool") + s);
  }
  net.flatten().dense("dense1", {.units = 4096}).relu().dropout(0.5);
  net.dense("dense2", {.units = 4096}).relu().dropout(0.5);
  net.dense("dense3", {.units = of.classes});
  return net;
}

}  // namespace tutti
