#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <tutti/base/error.hpp>
#include <tutti/train/data_file.hpp>

// The IDX files of MNIST: a magic number, big-endian sizes, bytes; with gzip
// around them or without (LeCun, Cortes and Burges, The MNIST database).
// Every error is `errc::data` and begins with the name of the file.

namespace tutti {

struct idx_images {
  std::size_t count = 0, height = 0, width = 0;
  std::vector<std::uint8_t> pixels;  ///< (count, height, width)
};

namespace detail {

inline constexpr std::uint32_t idx_images_magic = 0x803, idx_labels_magic = 0x801;

class idx_file : public data_file {
 public:
  using data_file::data_file;

  std::uint32_t read_number(const char* what) {
    std::uint8_t bytes[4];
    if (read(bytes, 4) != 4) refuse(format("is truncated: it ends inside its header, before %s", what));
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
  }

  void expect_kind(std::uint32_t wanted) {
    constexpr auto name_of_kind = [](std::uint32_t magic) { return magic == idx_images_magic ? "images" : "labels"; };
    std::uint32_t magic = read_number("its kind");
    if (magic == wanted) return;
    if (magic == idx_images_magic || magic == idx_labels_magic)
      refuse(format("holds %s (0x%08x), and %s (0x%08x) are wanted", name_of_kind(magic), magic, name_of_kind(wanted),
                    wanted));
    refuse(format("is no IDX file of %s: it begins with 0x%08x, not 0x%08x", name_of_kind(wanted), magic, wanted));
  }

  /// Exactly `count` bytes, then the end. Memory grows with what is really
  /// there, whatever the header promises.
  std::vector<std::uint8_t> read_rest(std::size_t count) {
    std::vector<std::uint8_t> bytes;
    while (bytes.size() < count) {
      std::size_t before = bytes.size(),
                  piece = std::min<std::size_t>(count - before, std::max<std::size_t>(before, 1u << 20));
      bytes.resize(before + piece);
      std::size_t got = read(bytes.data() + before, piece);
      if (got < piece)
        refuse(format("is truncated: its header promises %zu bytes of data, and %zu are there", count, before + got));
    }
    std::uint8_t more;
    if (read(&more, 1) != 0) refuse(format("holds more than the %zu bytes of data that its header promises", count));
    return bytes;
  }
};

}  // namespace detail

/// Pictures of one byte a pixel.
inline idx_images read_idx_images(const std::string& path) {
  detail::idx_file file(path);
  file.expect_kind(detail::idx_images_magic);
  idx_images all;
  all.count = file.read_number("the number of images");
  all.height = file.read_number("the height");
  all.width = file.read_number("the width");
  std::size_t bytes = 0;
  if (all.height == 0 || all.width == 0) file.refuse(format("holds images of %zu×%zu pixels", all.height, all.width));
  if (__builtin_mul_overflow(all.height * all.width, all.count, &bytes))
    file.refuse(
        format("is corrupt: its header promises %zu images of %zu×%zu pixels", all.count, all.height, all.width));
  all.pixels = file.read_rest(bytes);
  return all;
}

/// One byte a label.
inline std::vector<std::uint8_t> read_idx_labels(const std::string& path) {
  detail::idx_file file(path);
  file.expect_kind(detail::idx_labels_magic);
  return file.read_rest(file.read_number("the number of labels"));
}

}  // namespace tutti
