#include <tutti/train/progress.hpp>

#include <cerrno>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <doctest/doctest.h>

using tutti::progress_bar;

namespace {
std::string shown(bool speaks, std::size_t batches) {
  std::FILE* file = std::tmpfile();
  progress_bar bar("epoch 1/2", speaks, file);
  for (std::size_t done = 1; done <= batches; ++done) bar(done, batches, 0.5);
  bar.clear();
  std::rewind(file);
  std::string text(4096, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  return text;
}
}  // namespace

TEST_CASE("Where nobody watches, a line a quarter") {
  CHECK(shown(true, 8) == "epoch 1/2  25 %  loss 0.5000\nepoch 1/2  50 %  loss 0.5000\nepoch 1/2  75 %  loss 0.5000\n");
  CHECK(shown(true, 1).empty());
  CHECK(shown(true, 0).empty());
  CHECK(shown(false, 8).empty());
}

TEST_CASE("On a terminal, a bar that is drawn over itself and cleared") {
  const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
  REQUIRE(master >= 0);
  REQUIRE(::grantpt(master) == 0);
  REQUIRE(::unlockpt(master) == 0);
  std::FILE* terminal = std::fopen(::ptsname(master), "w");
  REQUIRE(terminal);
  {
    progress_bar bar("epoch 1/2", true, terminal);
    bar(2, 4, 0.25);
    bar(4, 4, 0.125);
    bar.clear();
    std::fflush(terminal);
  }
  // A terminal hands out what was written in pieces of its own.
  std::string text;
  ::fcntl(master, F_SETFL, O_NONBLOCK);
  char part[4096];
  for (;;) {
    const ssize_t n = ::read(master, part, sizeof part);
    if (n > 0) text.append(part, static_cast<std::size_t>(n));
    else if (text.size() >= 4 && text.substr(text.size() - 4) == "\r\033[K") break;
    else if (n < 0 && errno == EAGAIN) {
      pollfd ready{.fd = master, .events = POLLIN, .revents = 0};
      if (::poll(&ready, 1, 10000) != 1) break;
    } else break;
  }
  std::fclose(terminal);
  ::close(master);
  CHECK(text.find("\repoch 1/2 ███████████████░░░░░░░░░░░░░░░  50 %  loss 0.2500") == 0);
  CHECK(text.find("100 %  loss 0.1250") != std::string::npos);
  CHECK(text.substr(text.size() - 4) == "\r\033[K");
}
