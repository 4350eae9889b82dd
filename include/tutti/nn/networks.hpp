#pragma once
#include <string>
#include <string_view>

#include <tutti/nn/networks/alexnet.hpp>
#include <tutti/nn/networks/lenet.hpp>
#include <tutti/nn/networks/resnet.hpp>
#include <tutti/nn/networks/vgg.hpp>
#include <tutti/nn/networks/voxnet.hpp>

namespace tutti {

/// A network that has a name.
struct known_network {
  std::string_view label;
  network (*make)(const pictures&);
  pictures usual;  ///< what its paper shows it
};

inline constexpr known_network known_networks[] = {
    {"lenet", lenet, mnist_pictures},          {"lenet5", lenet5, mnist_pictures},
    {"alexnet", alexnet, imagenet_pictures},
    {"vgg16", vgg16, imagenet_pictures},       {"resnet18", resnet18, imagenet_pictures},
    {"resnet34", resnet34, imagenet_pictures}, {"resnet50", resnet50, imagenet_pictures},
    {"resnet101", resnet101, imagenet_pictures}, {"resnet152", resnet152, imagenet_pictures},
    {"voxnet", voxnet, modelnet_voxels},
};

/// The network of that name. Throws `invalid_argument` where there is none.
constexpr const known_network& network_called(std::string_view label) {
  for (const known_network& each : known_networks)
    if (each.label == label) return each;
  std::string all;
  for (const known_network& each : known_networks) all += (all.empty() ? "" : ", ") + std::string(each.label);
  throw error(errc::invalid_argument,
              format("no network is called '%.*s'; there are %s", static_cast<int>(label.size()), label.data(), all.c_str()));
}

}  // namespace tutti
