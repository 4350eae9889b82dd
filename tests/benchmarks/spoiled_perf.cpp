// tutti-perf of a library that gets one element wrong, on the last rank.
#include "../../benchmarks/perf.hpp"

namespace {

struct spoiled_calls {
  template <class Use>
  static void with_type(const std::string&, Use use) {
    use(float{});
  }
  template <class T, class Op>
  static void call(tutti::communicator& world, tutti::collective what, tutti::span<const T> in, tutti::span<T> out, Op op,
                   tutti::call_options how) {
    // A barrier that only some wait for.
    if (what == tutti::collective::barrier) {
      if (++barriers_ <= 2) benchmarks::library_calls::call(world, what, in, out, op, how);
      return;
    }
    benchmarks::library_calls::call(world, what, in, out, op, how);
    if (world.rank() == (tutti::rooted(what) && what != tutti::collective::broadcast ? 0 : world.size() - 1)) out[out.size() / 2] = static_cast<T>(-1);
  }

 private:
  static inline int barriers_ = 0;
};

}  // namespace

int main(int argc, char** argv) { return benchmarks::perf_main<spoiled_calls>(argc, argv); }
