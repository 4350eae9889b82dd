#pragma once
// A machine for the cases of tests/device/elementwise_cases.hpp: device 0.
#include <vector>

#include <tutti/device/device_memory.hpp>
#include <tutti/device/transfer.hpp>

struct on_device {
  using space = tutti::cuda;
  tutti::device_stream stream{0};
  tutti::ordered_on order() const { return on(stream); }
  template <class T>
  struct memory {
    tutti::buffer<T, tutti::cuda> all;
    std::size_t shift = 0;
    tutti::span<T, tutti::cuda> inside() { return {all.data() + shift, all.size() - 8}; }
  };
  template <class T>
  memory<T> put(const std::vector<T>& v, std::size_t shift) const {
    memory<T> m{tutti::buffer<T, tutti::cuda>(v.size()), shift};
    transfer(m.all, v, order());
    stream.wait();
    return m;
  }
  template <class T>
  std::vector<T> get(const memory<T>& m) const {
    std::vector<T> v(m.all.size());
    transfer(v, m.all, order());
    stream.wait();
    return v;
  }
};
