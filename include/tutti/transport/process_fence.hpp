#pragma once
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace tutti {

/// A fence that one process has all others go through, so that what they do often needs
/// none: whoever takes part writes and then looks, in the order of the program; who
/// writes, calls this and looks sees what they wrote, or they see what it wrote.
namespace process_fence {

/// From here on this process goes through those of others, and so do its children.
/// False where the kernel does not know the call, or a filter forbids it.
inline bool take_part() { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0; }

/// Cost: an interrupt on each core that runs such a process at that moment. False as above.
inline bool for_those_who_take_part() { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0; }

/// For all processes of the machine. Cost: milliseconds, until each core has been elsewhere.
inline bool for_all() { return ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0; }

}  // namespace process_fence

}  // namespace tutti
