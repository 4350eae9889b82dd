#pragma once
// Every operation by plain loops, for any element type.
#include <tutti/kernel/naive_convolution.hpp>
#include <tutti/kernel/naive_dense.hpp>
#include <tutti/kernel/naive_loss.hpp>
#include <tutti/kernel/naive_pool.hpp>
#include <tutti/kernel/naive_relu.hpp>
#include <tutti/kernel/naive_window.hpp>
