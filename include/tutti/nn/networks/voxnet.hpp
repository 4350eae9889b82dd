#pragma once
#include <tutti/nn/network.hpp>
#include <tutti/nn/networks/pictures.hpp>

namespace tutti {

/// The network of Maturana and Scherer, VoxNet: a 3D convolutional neural network for
/// real-time object recognition, 2015, with ReLU in place of leaky ones. 921,736
/// parameters for ModelNet40. Of pictures without depth it is the same in two dimensions.
constexpr network voxnet(const pictures& of = modelnet_voxels) {
  network net(of.sample());
  net.convolution("conv1", {.filters = 32, .kernel = 5, .stride = 2}).relu().dropout(0.2);
  net.convolution("conv2", {.filters = 32, .kernel = 3}).relu().max_pool("pool2").dropout(0.3);
  net.flatten().dense("dense1", {.units = 128}).relu().dropout(0.4);
  net.dense("dense2", {.units = of.classes});
  return net;
}

}  // namespace tutti
