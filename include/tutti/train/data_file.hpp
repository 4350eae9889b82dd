#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <zlib.h>

#include <tutti/base/error.hpp>

namespace tutti {

/// A file that is read from front to end, unpacked where gzip has packed it.
/// Every error is `errc::data` and begins with the name of the file.
class data_file {
 public:
  explicit data_file(std::string path) : path_(std::move(path)), file_(::gzopen(path_.c_str(), "rb")) {
    if (!file_) refuse("cannot be opened");
  }
  data_file(const data_file&) = delete;
  data_file& operator=(const data_file&) = delete;
  ~data_file() { ::gzclose_r(file_); }

  [[noreturn]] void refuse(const std::string& why) const { throw error(errc::data, path_ + ": " + why); }

  /// Up to `count` bytes: fewer at the end of the file.
  std::size_t read(std::uint8_t* into, std::size_t count) {
    std::size_t have = 0;
    while (have < count) {
      int got = ::gzread(file_, into + have, static_cast<unsigned>(std::min<std::size_t>(count - have, 1u << 20)));
      int code = Z_OK;
      const char* text = ::gzerror(file_, &code);
      if (code == Z_BUF_ERROR) refuse("is truncated: its gzip stream ends too early");
      if (got < 0 || code < 0)
        refuse(format("cannot be read: %s", code == Z_ERRNO ? "the system reports an error" : text));
      if (got == 0) break;
      have += static_cast<std::size_t>(got);
    }
    return have;
  }

 private:
  std::string path_;
  gzFile file_;
};

}  // namespace tutti
