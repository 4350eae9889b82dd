// Runs the tests that need a CUDA device, or says why not and exits 77; with
// `--without-device` the others, which need that there is none.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <cstring>

#include <tutti/device/runtime.hpp>

int main(int argc, char** argv) {
  const bool without = argc > 1 && std::strcmp(argv[1], "--without-device") == 0;
  const std::string why = tutti::why_no_device();
  if (without ? why.empty() : !why.empty()) {
    std::printf("skipped: %s\n", without ? "there is a CUDA device here" : why.c_str());
    return 77;
  }
  doctest::Context context(argc, argv);
  context.addFilter(without ? "test-case" : "test-case-exclude", "*without a device*");
  return context.run();
}
