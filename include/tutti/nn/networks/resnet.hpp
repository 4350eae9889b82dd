#pragma once
#include <tutti/nn/network.hpp>
#include <tutti/nn/networks/pictures.hpp>

namespace tutti {

/// Table 1 of He, Zhang, Ren and Sun, Deep residual learning for image recognition, 2015.
struct resnet_depth {
  std::size_t blocks[4] = {2, 2, 2, 2};  ///< of conv2_x to conv5_x
  bool bottlenecks = false;              ///< 1×1, 3×3, 1×1, instead of two of 3×3
};

/// The residual network of that depth. Where a stage halves the picture, a bottleneck's
/// 3×3 convolution does it, and not its first 1×1 (Goyal and others, Accurate, large
/// minibatch SGD, 2017), and the skip is projected (the paper's option B). Pictures
/// lower than 64 places begin with one 3×3 convolution and no pooling, since seven and
/// two strides would leave nothing of them.
constexpr network resnet(const resnet_depth& depth, const pictures& of) {
  network net(of.sample());
  auto convolution = [&net](const name& label, convolution_options o) -> network& {
    o.bias = false;
    return net.convolution(name("conv") + label.view(), o).batch_norm(name("norm") + label.view());
  };
  if (of.height < 64) {
    convolution("1", {.filters = 64, .kernel = 3, .padding = 1}).relu();
  } else {
    convolution("1", {.filters = 64, .kernel = 7, .stride = 2, .padding = 3}).relu();
    net.max_pool("pool1", {.kernel = 3, .stride = 2, .padding = 1});
  }
  std::size_t channels = 64;
  for (std::size_t stage = 0; stage < 4; ++stage)
    for (std::size_t block = 0; block < depth.blocks[stage]; ++block) {
      const name here = name("") + (stage + 2) + "_" + (block + 1);
      const name before = net.layers.back().label;
      const std::size_t width = std::size_t{64} << stage, wide = depth.bottlenecks ? 4 * width : width;
      const std::size_t stride = stage > 0 && block == 0 ? 2 : 1;
      const bool projects = stride > 1 || channels != wide;
      if (projects) {
        convolution(here + "s", {.filters = wide, .stride = stride});
        net.from(before);
      }
      if (depth.bottlenecks) {
        convolution(here + "a", {.filters = width}).relu();
        convolution(here + "b", {.filters = width, .kernel = 3, .stride = stride, .padding = 1}).relu();
        convolution(here + "c", {.filters = wide});
      } else {
        convolution(here + "a", {.filters = width, .kernel = 3, .stride = stride, .padding = 1}).relu();
        convolution(here + "b", {.filters = width, .kernel = 3, .padding = 1});
      }
      net.sum(name("sum") + here.view(), projects ? name("norm") + here.view() + "s" : before).relu();
      channels = wide;
    }
  return net.global_average_pool("pool5").flatten().dense("dense", {.units = of.classes});
}

/// 11,689,512 parameters for ImageNet, 11,173,962 for CIFAR-10.
constexpr network resnet18(const pictures& of = imagenet_pictures) { return resnet({.blocks = {2, 2, 2, 2}}, of); }
/// 21,797,672 parameters for ImageNet.
constexpr network resnet34(const pictures& of = imagenet_pictures) { return resnet({.blocks = {3, 4, 6, 3}}, of); }
/// 25,557,032 parameters for ImageNet.
constexpr network resnet50(const pictures& of = imagenet_pictures) {
  return resnet({.blocks = {3, 4, 6, 3}, .bottlenecks = true}, of);
}
/// 44,549,160 parameters for ImageNet.
constexpr network resnet101(const pictures& of = imagenet_pictures) {
  return resnet({.blocks = {3, 4, 23, 3}, .bottlenecks = true}, of);
}
/// 60,192,808 parameters for ImageNet.
constexpr network resnet152(const pictures& of = imagenet_pictures) {
  return resnet({.blocks = {3, 8, 36, 3}, .bottlenecks = true}, of);
}

}  // namespace tutti
