#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>
#include <zlib.h>

using bytes = std::vector<std::uint8_t>;

/// A folder of its own, gone with what is in it at the end.
class scratch_folder {
 public:
  scratch_folder() {
    const char* temporary = std::getenv("TMPDIR");
    std::string pattern = temporary && *temporary ? temporary : "/tmp";
    pattern += "/tutti-test-XXXXXX";
    if (!::mkdtemp(pattern.data())) throw std::runtime_error(pattern + ": no such folder can be made");
    path_ = pattern;
  }
  scratch_folder(const scratch_folder&) = delete;
  scratch_folder& operator=(const scratch_folder&) = delete;
  ~scratch_folder() {
    for (const std::string& file : files_) ::unlink(file.c_str());
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }

  /// A file with these bytes; its whole path.
  std::string put(const std::string& name, const bytes& content) {
    files_.push_back(path_ + "/" + name);
    std::FILE* f = std::fopen(files_.back().c_str(), "wb");
    if (!content.empty()) std::fwrite(content.data(), 1, content.size(), f);
    std::fclose(f);
    return files_.back();
  }

 private:
  std::string path_;
  std::vector<std::string> files_;
};

inline bytes packed(const bytes& content) {
  z_stream z{};
  ::deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  bytes out(content.size() + 1024);
  z.next_in = const_cast<std::uint8_t*>(content.data());
  z.avail_in = static_cast<unsigned>(content.size());
  z.next_out = out.data();
  z.avail_out = static_cast<unsigned>(out.size());
  ::deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  ::deflateEnd(&z);
  return out;
}

inline void add_number(bytes& to, std::uint32_t value) {
  for (int shift : {24, 16, 8, 0}) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

/// An IDX file of `count` images, pixel k of the file being k modulo 251.
inline bytes images(std::uint32_t count, std::uint32_t height, std::uint32_t width) {
  bytes all;
  for (std::uint32_t number : {0x803u, count, height, width}) add_number(all, number);
  for (std::uint32_t k = 0; k < count * height * width; ++k) all.push_back(static_cast<std::uint8_t>(k % 251));
  return all;
}

/// An IDX file of `count` labels, label i being i modulo 10.
inline bytes labels(std::uint32_t count) {
  bytes all;
  add_number(all, 0x801);
  add_number(all, count);
  for (std::uint32_t i = 0; i < count; ++i) all.push_back(static_cast<std::uint8_t>(i % 10));
  return all;
}

/// A file of CIFAR-10 of `count` samples, sample i having the label (first + i)
/// modulo 10, and pixel k of the file being k modulo 251.
inline bytes cifar(std::size_t count, std::size_t first) {
  bytes all;
  for (std::size_t i = 0; i < count; ++i) {
    all.push_back(static_cast<std::uint8_t>((first + i) % 10));
    for (std::size_t k = 0; k < 3072; ++k) all.push_back(static_cast<std::uint8_t>((i * 3072 + k) % 251));
  }
  return all;
}
