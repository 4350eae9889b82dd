#include <tutti/comm/tuning.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <unistd.h>

using namespace tutti;

namespace {

std::string refusal(const std::string& text) {
  try {
    parse_tuning(text, "here");
  } catch (const error& e) {
    CHECK(e.code() == errc::invalid_argument);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a tuning is written and read back to the bit") {
  tuning t;
  t.window.latency_s = 1.0 / 3e7;
  t.message.near_bytes = 12345;
  t.switch_s = 0;
  t.folds_at_once = 1.0 / 3;
  t.waits_in_line = 1.0 / 7;
  t.on_devices.nccl.latency_s = 1.0 / 3e5;
  t.on_devices.messages.step_s = 1.0 / 3e4;
  const tuning back = parse_tuning(tuning_text(t), "here");
  CHECK(tuning_text(back) == tuning_text(t));
  CHECK(back.window.latency_s == t.window.latency_s);
  CHECK(back.message.near_bytes == 12345);
  CHECK(back.switch_s == 0);
  CHECK(back.folds_at_once == t.folds_at_once);
  CHECK(back.waits_in_line == t.waits_in_line);
  CHECK(back.on_devices.nccl.latency_s == t.on_devices.nccl.latency_s);
  CHECK(back.on_devices.messages.step_s == t.on_devices.messages.step_s);
  CHECK(back.on_devices.windows.bytes_per_s == device_costs{}.windows.bytes_per_s);
  CHECK(back.message.fold_bytes_per_s == message_link.fold_bytes_per_s);
}

TEST_CASE("what a tuning does not name stays, and comments are skipped") {
  const tuning t = parse_tuning("# measured\n\n  window.step_s 1e-8  # each\nmessage.latency_s 2e-5", "here");
  CHECK(t.window.step_s == 1e-8);
  CHECK(t.message.latency_s == 2e-5);
  CHECK(t.window.latency_s == window_link.latency_s);
  CHECK(t.folds_at_once == cost_model{}.folds_at_once);
  CHECK(t.waits_in_line == cost_model{}.waits_in_line);
}

TEST_CASE("what is not a tuning is refused, with file and line") {
  CHECK(refusal("window.step_s 1e-8\nwindow.speed 5\n") == "TUTTI_TUNING: here:2: 'window.speed' is no value of a tuning");
  CHECK(refusal("device.nccl.speed 5\n") == "TUTTI_TUNING: here:1: 'device.nccl.speed' is no value of a tuning");
  CHECK(refusal("device.nccl.bytes_per_s 0\n") == "TUTTI_TUNING: here:1: 'device.nccl.bytes_per_s' takes one number, more than 0");
  CHECK(refusal("step_s 1\n") == "TUTTI_TUNING: here:1: 'step_s' is no value of a tuning");
  for (const char* wrong : {"", "fast", "1e-8x", "-1", "nan", "inf", "1 2"}) {
    CAPTURE(std::string(wrong));
    CHECK(refusal(std::string("\n\nwindow.step_s ") + wrong) == "TUTTI_TUNING: here:3: 'window.step_s' takes one number, 0 or more");
  }
}

TEST_CASE("bytes per second that nothing can be divided by are refused, and shares that are none") {
  for (const char* name : {"folds_at_once", "waits_in_line", "window.send_bytes_per_s", "window.recv_bytes_per_s", "window.fold_bytes_per_s",
                           "window.far_bytes_per_s", "message.send_bytes_per_s", "message.far_bytes_per_s"})
    for (const char* wrong : {"0", "-1", "-0.0", "nan", "inf", "", "1e9 2"}) {
      CAPTURE(std::string(name));
      CAPTURE(std::string(wrong));
      CHECK(refusal(std::string(name) + " " + wrong) == format("TUTTI_TUNING: here:1: '%s' takes one number, more than 0", name));
    }
  CHECK(refusal("window.near_bytes 0\nwindow.latency_s 0\nswitch_s 0\nwindow.wire_bytes_per_s 0\nwindow.send_bytes_per_s 1") == "");
}

TEST_CASE("what cannot be read is named, with its reason") {
  const auto said = [](const char* name) {
    try {
      read_tuning(name);
    } catch (const error& e) {
      CHECK(e.code() == errc::invalid_argument);
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(said("/nowhere/at all") == "TUTTI_TUNING is '/nowhere/at all', which cannot be read: No such file or directory");
  CHECK(said("/tmp") == "TUTTI_TUNING is '/tmp', which cannot be read: Is a directory");
}

TEST_CASE("a tuning is read from a file") {
  char name[] = "/tmp/tutti-tuning-XXXXXX";
  const int file = ::mkstemp(name);
  REQUIRE(file >= 0);
  const std::string text = "switch_s 5e-6\n";
  REQUIRE(::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  ::close(file);
  CHECK(read_tuning(name).switch_s == 5e-6);
  ::unlink(name);
}
