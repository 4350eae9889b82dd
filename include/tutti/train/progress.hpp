#pragma once
#include <cstdio>
#include <string>

#include <unistd.h>

#include <tutti/base/clock.hpp>
#include <tutti/base/error.hpp>

namespace tutti {

/// How far an epoch has come: a bar that moves on a terminal, a line at every
/// quarter elsewhere. Says nothing where `shown` is false, as on all ranks but one.
class progress_bar {
 public:
  progress_bar(std::string title, bool shown, std::FILE* out = stdout)
      : title_(std::move(title)), out_(out), shown_(shown), terminal_(::isatty(::fileno(out)) == 1) {}

  void operator()(std::size_t done, std::size_t whole, double loss) {
    if (!shown_ || whole == 0) return;
    if (terminal_) {
      // A terminal is slow, and an eye too.
      if (done < whole && now() - drawn_at_ < 0.05) return;
      drawn_at_ = now();
      std::string filled;
      for (std::size_t i = 0; i < width; ++i) filled += i < done * width / whole ? "█" : "░";
      std::fprintf(out_, "\r%s %s %3zu %%  loss %.4f", title_.c_str(), filled.c_str(), 100 * done / whole, loss);
    } else if (4 * done / whole > quarters_ && done < whole) {
      quarters_ = 4 * done / whole;
      std::fprintf(out_, "%s %3zu %%  loss %.4f\n", title_.c_str(), 100 * done / whole, loss);
    }
    std::fflush(out_);
  }

  /// Makes room for the line that says how the epoch ended.
  void clear() {
    if (shown_ && terminal_) std::fprintf(out_, "\r\033[K");
  }

 private:
  static constexpr std::size_t width = 30;
  std::string title_;
  std::FILE* out_;
  bool shown_, terminal_;
  double drawn_at_ = 0;
  std::size_t quarters_ = 0;
};

}  // namespace tutti
