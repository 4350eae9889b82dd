#pragma once
// Everything from base to launch: collectives over UCX, and the ranks to call
// them. Needs UCX and nothing else.
#include <tutti/base/accumulation.hpp>
#include <tutti/base/binned.hpp>
#include <tutti/base/indexed.hpp>
#include <tutti/base/numbers.hpp>
#include <tutti/base/operations.hpp>
#include <tutti/comm/collectives.hpp>
#include <tutti/comm/grouped.hpp>
#include <tutti/comm/messages.hpp>
#include <tutti/comm/persistent.hpp>
#include <tutti/comm/reproducible_sum.hpp>
#include <tutti/comm/together.hpp>
#include <tutti/device/buffer.hpp>
#include <tutti/launch/run.hpp>
