// After a failure a rank keeps what UCX might still touch (base/retained.hpp), and
// UCX keeps its own where the leak sanitizer does not look. Elsewhere nothing leaks.
#include <tutti/base/retained.hpp>

extern "C" int __lsan_is_turned_off();  // the sanitizer asks before it looks
extern "C" int __lsan_is_turned_off() { return tutti::detail::all_retained.load() != nullptr; }
