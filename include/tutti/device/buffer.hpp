#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>

namespace tutti {

/// Memory of a space: how it is taken and given back. One specialisation a
/// space.
template <memory_space Space>
struct memory;

template <>
struct memory<host> {
  static constexpr std::size_t alignment = 64;

  static void* allocate(std::size_t bytes) {
    if (bytes == 0) return nullptr;
    if (bytes > static_cast<std::size_t>(-1) / 2) throw std::bad_alloc();
    void* data = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (!data) throw std::bad_alloc();
    return data;
  }
  static void release(void* data) noexcept { std::free(data); }
};

/// Memory that is more than the heap: for instance of a session, whose ranks on
/// the same host read it where it lies.
class memory_source {
 public:
  virtual ~memory_source() = default;
  /// At a multiple of 64. Throws `std::bad_alloc` where there is no more.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* data, std::size_t bytes) noexcept = 0;
};

/// An array of `size()` elements that it owns, aligned to 64 bytes, in the
/// memory space of its type. Elements are not initialised. Move-only.
///
/// `buffer<float> x(world, n)` takes it from where collectives over `world` need
/// not copy it: neighbours read it in place. May outlive what it was made from.
template <class T, memory_space Space = host>
  requires std::is_trivially_copyable_v<T>
class buffer {
 public:
  using element_type = T;
  using value_type = T;
  using space = Space;

  buffer() = default;
  explicit buffer(std::size_t size)
      : data_(static_cast<T*>(memory<Space>::allocate(checked_bytes(size)))), size_(size) {}
  /// From a source, or from the heap where that is null.
  buffer(std::shared_ptr<memory_source> source, std::size_t size)
    requires std::is_same_v<Space, host>
      : data_(static_cast<T*>(!source ? memory<host>::allocate(checked_bytes(size))
                              : size > 0 ? source->allocate(checked_bytes(size)) : nullptr)),
        size_(size), source_(std::move(source)) {}
  template <class Owner>
    requires std::is_same_v<Space, host> && requires(Owner& of) { std::shared_ptr<memory_source>(of.memory()); }
  buffer(Owner& of, std::size_t size) : buffer(std::shared_ptr<memory_source>(of.memory()), size) {}
  /// From an owner of memory of this space.
  template <class Owner>
    requires std::is_same_v<Space, typename Owner::space>
  buffer(Owner& of, std::size_t size)
      : source_(of.memory()) {
    data_ = size > 0 ? static_cast<T*>(source_->allocate(checked_bytes(size))) : nullptr;
    size_ = size;
  }
  buffer(buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
        source_(std::move(other.source_)) {}
  buffer& operator=(buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(source_, other.source_);
    return *this;
  }
  ~buffer() {
    if (!source_) memory<Space>::release(data_);
    else if (data_) source_->release(data_, size_ * sizeof(T));
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  T* begin() requires on_host<Space> { return data_; }
  T* end() requires on_host<Space> { return data_ + size_; }
  const T* begin() const requires on_host<Space> { return data_; }
  const T* end() const requires on_host<Space> { return data_ + size_; }
  T& operator[](std::size_t i) requires on_host<Space> { return data_[i]; }
  const T& operator[](std::size_t i) const requires on_host<Space> { return data_[i]; }

 private:
  static std::size_t checked_bytes(std::size_t size) {
    if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    return size * sizeof(T);
  }

  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<memory_source> source_;
};

}  // namespace tutti
