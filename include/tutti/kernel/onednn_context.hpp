#pragma once
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <dlfcn.h>

#include <oneapi/dnnl/dnnl.hpp>

#include <tutti/base/cores.hpp>
#include <tutti/base/error.hpp>
#include <tutti/base/span.hpp>
#include <tutti/kernel/shape.hpp>

// What the operations on oneDNN share. oneDNN 2 describes an operation first
// and makes a primitive descriptor of that, oneDNN 3 goes there directly; the
// arguments are the same, so `describe` is where the two differ, and
// onednn_pool.hpp and onednn_relu.hpp, where arguments came and went.

namespace tutti::onednn {

/// Each of `ranks` ranks on this host gets as many threads as there are cores for it, at least 1.
inline int threads_per_rank(int ranks) {
  int share = usable_cores() / (ranks > 0 ? ranks : 1);
  return share > 0 ? share : 1;
}

struct context_options {
  /// Convolutions whose windows allow it multiply less (Lavin and Gray, Fast algorithms
  /// for convolutional neural networks, 2016), where oneDNN has that and finds it faster:
  /// a 3×3 window of stride 1 a quarter as often. They round more than the sums do, and
  /// sums of whole numbers are no longer exact.
  bool winograd = false;
};

/// Where primitives are made and run. Belongs to the thread that made it: the
/// number of threads is OpenMP's, and that is a property of the calling thread.
class context {
 public:
  explicit context(int threads = threads_per_rank(1), const context_options& o = {}) : options_(o) {
    // Found in whichever OpenMP library oneDNN was linked with. Without one oneDNN decides for itself.
    if (void* symbol = ::dlsym(RTLD_DEFAULT, "omp_set_num_threads")) reinterpret_cast<void (*)(int)>(symbol)(threads);
  }

  const dnnl::engine& engine() const { return engine_; }
  dnnl::stream& stream() { return stream_; }
  const context_options& options() const { return options_; }

  /// How often data had to change its format inside the network so far: 0
  /// from step to step where all primitives agree.
  std::size_t reorders() const { return reorders_; }
  void count_reorder() { ++reorders_; }

 private:
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  context_options options_;
  std::size_t reorders_ = 0;
};

/// What a tensor holds and in which order: any of oneDNN's formats.
class memory_format {
 public:
  memory_format() = default;
  explicit memory_format(dnnl::memory::desc description) : description_(std::move(description)) {}

  /// Row-major, as everything outside of oneDNN has it.
  static memory_format row_major(const shape& s) { return row_major(dims(s)); }
  static memory_format row_major(const dnnl::memory::dims& sizes) {
    using tag = dnnl::memory::format_tag;
    constexpr tag tags[] = {tag::a, tag::a, tag::ab, tag::abc, tag::abcd, tag::abcde, tag::abcdef};
    return memory_format(dnnl::memory::desc(sizes, dnnl::memory::data_type::f32, tags[sizes.size()]));
  }

  /// What has come from elsewhere: row-major, as ranks of the host send it.
  static memory_format native(const shape& s) { return row_major(s); }

  /// Row-major, with the same dimensions as this one.
  memory_format row_major() const { return row_major(sizes()); }

  static dnnl::memory::dims dims(const shape& s) {
    dnnl::memory::dims all;
    for (const dimension& d : s) all.push_back(static_cast<dnnl::memory::dim>(d.size));
    return all;
  }

  /// The elements in memory: more than the shape's where a block is not full.
  std::size_t stored() const { return description_.get_size() / sizeof(float); }
  /// The sizes of its dimensions, without padding.
  dnnl::memory::dims sizes() const {
    return [](const auto& d) {
      if constexpr (requires { d.get_dims(); }) return d.get_dims();
      else return d.dims();  // oneDNN 2
    }(description_);
  }
  /// A number for the order of its elements in memory, the same on all ranks that have the same.
  std::uint64_t fingerprint() const {
    std::uint64_t hash = 14695981039346656037u;
    auto mix = [&](const auto& all, int count) {
      for (int i = 0; i < count; ++i) hash = (hash ^ static_cast<std::uint64_t>(all[i])) * 1099511628211u;
    };
    [&](const auto& d) {
      if constexpr (requires { d.get_strides(); }) {
        const auto padded = d.get_padded_dims(), strides = d.get_strides(), sizes = d.get_inner_blks(), along = d.get_inner_idxs();
        mix(padded, static_cast<int>(padded.size())), mix(strides, static_cast<int>(strides.size()));
        mix(sizes, static_cast<int>(sizes.size())), mix(along, static_cast<int>(along.size()));
      } else {  // oneDNN 2
        const auto& order = d.data.format_desc.blocking;
        mix(d.data.padded_dims, d.data.ndims), mix(order.strides, d.data.ndims);
        mix(order.inner_blks, order.inner_nblks), mix(order.inner_idxs, order.inner_nblks);
      }
    }(description_);
    return hash;
  }
  const dnnl::memory::desc& description() const { return description_; }
  friend bool operator==(const memory_format& a, const memory_format& b) { return a.description_ == b.description_; }

 private:
  dnnl::memory::desc description_;
};

/// Data in a format, in memory of its own or in somebody else's.
class tensor {
 public:
  tensor() = default;
  tensor(context& c, memory_format f) : format_(std::move(f)), memory_(format_.description(), c.engine()) {}
  tensor(context& c, memory_format f, float* data)
      : format_(std::move(f)), memory_(format_.description(), c.engine(), data) {}

  const memory_format& format() const { return format_; }
  const dnnl::memory& memory() const { return memory_; }
  /// All that is stored, in the order of the format.
  span<float> stored() { return {static_cast<float*>(memory_.get_data_handle()), format_.stored()}; }
  span<const float> stored() const { return {static_cast<const float*>(memory_.get_data_handle()), format_.stored()}; }

 private:
  memory_format format_;
  dnnl::memory memory_;
};

/// Copies from one format to another; between tensors of unlike dimensions, such as
/// pictures and the features that they are, as row-major ones.
inline void copy(context& c, const tensor& from, tensor& into) {
  if (from.format().sizes() != into.format().sizes()) {
    tensor rows(c, from.format().row_major());
    copy(c, from, rows);
    return copy(c, tensor(c, into.format().row_major(), rows.stored().data()), into);
  }
  dnnl::reorder(from.memory(), into.memory())
      .execute(c.stream(), {{DNNL_ARG_FROM, from.memory()}, {DNNL_ARG_TO, into.memory()}});
  c.stream().wait();
}

/// y = a + b, or max(a + b, 0), each in its format, where a and b lie too if that is y's.
inline void add(context& c, const tensor& a, const tensor& b, tensor& y, bool relu = false) {
  if (a.format() != y.format()) return b.format() == y.format() ? add(c, b, a, y, relu) : (copy(c, a, y), add(c, y, b, y, relu));
  if (b.format() != y.format()) {
    tensor same(c, y.format());
    copy(c, b, same);
    return add(c, a, same, y, relu);
  }
  const float *one = a.stored().data(), *other = b.stored().data();
  const span<float> into = y.stored();
  const float least = relu ? 0 : -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < into.size(); ++i) {
    const float sum = one[i] + other[i];
    into[i] = sum < least ? least : sum;  // what is no number stays so
  }
}

/// Stands where a primitive meets a tensor: nothing where both have the same
/// format, otherwise a buffer of the primitive's and a reorder.
class adapter {
 public:
  adapter() = default;
  adapter(context& c, const memory_format& outside, const dnnl::memory::desc& inside) {
    if (outside.description() == inside) return;
    buffer_ = tensor(c, memory_format(inside));
    other_ = true;
    into_ = dnnl::reorder({c.engine(), outside.description(), c.engine(), inside});
    back_ = dnnl::reorder({c.engine(), inside, c.engine(), outside.description()});
  }

  /// The memory to read from.
  const dnnl::memory& in(context& c, const tensor& outside) {
    if (!other_) return outside.memory();
    c.count_reorder();
    run(c, into_, outside.memory(), buffer_.memory());
    return buffer_.memory();
  }
  /// The memory to write to, before `done`.
  const dnnl::memory& out(const tensor& outside) const { return other_ ? buffer_.memory() : outside.memory(); }
  void done(context& c, const tensor& outside) {
    if (!other_) return;
    c.count_reorder();
    run(c, back_, buffer_.memory(), outside.memory());
  }

 private:
  static void run(context& c, dnnl::reorder& move, const dnnl::memory& from, const dnnl::memory& into) {
    move.execute(c.stream(), {{DNNL_ARG_FROM, from}, {DNNL_ARG_TO, into}});
  }

  bool other_ = false;
  tensor buffer_;
  dnnl::reorder into_, back_;
};

/// A forward primitive's descriptor, by oneDNN 2 or 3.
template <class Primitive, class... Arguments>
typename Primitive::primitive_desc describe(context& c, const dnnl::primitive_attr& attributes,
                                            const Arguments&... arguments) {
  if constexpr (requires { typename Primitive::desc; })
    return {typename Primitive::desc(arguments...), attributes, c.engine()};
  else return {c.engine(), arguments..., attributes};
}

/// A backward primitive's descriptor, with that of the forward one as a hint.
template <class Primitive, class Forward, class... Arguments>
typename Primitive::primitive_desc describe_backward(context& c, const Forward& forward,
                                                     const Arguments&... arguments) {
  if constexpr (requires { typename Primitive::desc; })
    return {typename Primitive::desc(arguments...), c.engine(), forward};
  else return {c.engine(), arguments..., forward};
}

/// Sizes as oneDNN wants them.
template <class... Sizes>
dnnl::memory::dims dims_of(Sizes... sizes) {
  return {static_cast<dnnl::memory::dim>(sizes)...};
}

/// Any format, for a primitive to choose.
inline dnnl::memory::desc any_of(const dnnl::memory::dims& sizes) {
  return {sizes, dnnl::memory::data_type::f32, dnnl::memory::format_tag::any};
}

inline dnnl::memory::desc vector_of(std::size_t size) {
  return {dims_of(size), dnnl::memory::data_type::f32, dnnl::memory::format_tag::a};
}

/// A convolution by way of a matrix that repeats its input, for formats that no better one takes.
template <class Description>
bool unrolls(const Description& d) {
  const bool convolves = std::is_same_v<Description, dnnl::convolution_forward::primitive_desc> ||
                         std::is_same_v<Description, dnnl::convolution_backward_data::primitive_desc> ||
                         std::is_same_v<Description, dnnl::convolution_backward_weights::primitive_desc>;
  return convolves && std::strstr(d.impl_info_str(), "gemm:jit") != nullptr;
}

/// Asks for a primitive in the formats that its neighbours have already, and,
/// where that would be oneDNN's slow reference, a convolution's matrix product or
/// nothing at all, for one in the formats that it likes best, at the price of reorders.
/// `make(free)` describes it, with all formats left open where `free` is true.
template <class Make, class Agrees>
auto prefer(const Make& make, const Agrees& agrees) {
  auto favourite = make(true);
  if (agrees(favourite)) return favourite;
  try {
    auto fitting = make(false);
    if (std::strncmp(fitting.impl_info_str(), "ref", 3) != 0 && !unrolls(fitting)) return fitting;
  } catch (const dnnl::error&) {
    // Not made for these formats: the favourite is.
  }
  return favourite;
}

}  // namespace tutti::onednn
