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

/// LeNet-5 of the same paper with its numbers of filters and units, all of conv2's
/// connections, max pooling and ReLU in place of learned averages and scaled tangents, and
/// a softmax in place of radial basis functions: the form in common use. Pictures of less
/// than 32 places are padded by 2, as the paper's digits of 28 are. 61,706 parameters.
constexpr network lenet5(const pictures& of = mnist_pictures) {
  network net(of.sample());
  net.convolution("conv1", {.filters = 6, .kernel = 5, .padding = of.height < 32 ? 2u : 0u}).max_pool("pool1").relu();
  net.convolution("conv2", {.filters = 16, .kernel = 5}).max_pool("pool2").relu();
  net.flatten().dense("dense1", {.units = 120}).relu().dense("dense2", {.units = 84}).relu();
  net.dense("dense3", {.units = of.classes});
  return net;
}

}  // namespace tutti
