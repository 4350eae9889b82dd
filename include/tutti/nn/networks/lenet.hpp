#pragma once
#include <tutti/nn/network.hpp>
#include <tutti/nn/networks/pictures.hpp>

namespace tutti {

/// LeNet, after LeCun, Bottou, Bengio and Haffner, Gradient-based learning applied to
/// document recognition, 1998, with max pooling and ReLU, and as many filters as fill
/// vectors. Max pooling and ReLU commute; pooling first leaves the ReLU a quarter of
/// the work.
constexpr network lenet(const pictures& of = mnist_pictures) {
  network net(of.sample());
  net.convolution("conv1", {.filters = 16, .kernel = 5, .padding = 2}).max_pool("pool1").relu();
  net.convolution("conv2", {.filters = 32, .kernel = 5}).max_pool("pool2").relu();
  net.flatten().dense("dense1", {.units = 128}).relu().dense("dense2", {.units = of.classes});
  return net;
}

}  // namespace tutti
