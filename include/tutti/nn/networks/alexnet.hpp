#pragma once
#include <tutti/nn/network.hpp>
#include <tutti/nn/networks/pictures.hpp>

namespace tutti {

/// The network of Krizhevsky, Sutskever and Hinton, ImageNet classification with deep
/// convolutional neural networks, 2012, whose two towers are groups; without its local
/// response normalisation, which has no parameters. Pictures of 224 padded by 2 are the
/// paper's of 227. 60,965,224 parameters for 1000 classes.
constexpr network alexnet(const pictures& of = imagenet_pictures) {
  constexpr pool_options overlapping{.kernel = 3, .stride = 2};
  network net(of.sample());
  net.convolution("conv1", {.filters = 96, .kernel = 11, .stride = 4, .padding = 2}).relu().max_pool("pool1", overlapping);
  net.convolution("conv2", {.filters = 256, .kernel = 5, .padding = 2, .groups = 2}).relu().max_pool("pool2", overlapping);
  net.convolution("conv3", {.filters = 384, .kernel = 3, .padding = 1}).relu();
  net.convolution("conv4", {.filters = 384, .kernel = 3, .padding = 1, .groups = 2}).relu();
  net.convolution("conv5", {.filters = 256, .kernel = 3, .padding = 1, .groups = 2}).relu().max_pool("pool5", overlapping);
  net.flatten().dense("dense6", {.units = 4096}).relu().dropout(0.5);
  net.dense("dense7", {.units = 4096}).relu().dropout(0.5);
  net.dense("dense8", {.units = of.classes});
  return net;
}

}  // namespace tutti
