#pragma once
#include <string>

#include <tutti/base/error.hpp>
#include <tutti/comm/device_waits.hpp>

namespace device_waiting {

// Something that a stream waits for.
struct awaited final : tutti::device_wait {
  explicit awaited(tutti::device_waits& among) : all(among) { all.add(*this); }
  ~awaited() { all.remove(*this); }
  void check() const override {
    ++looks;
    if (!broken.empty()) throw tutti::error(tutti::errc::device, broken);
  }
  void give_up(const std::string& text) override { why = text; }
  tutti::device_waits& all;
  mutable int looks = 0;
  std::string broken{}, why{};
};

}  // namespace device_waiting
