#pragma once
#include <tutti/transport/loan.hpp>

// Memory that both ends of a channel see anyway: a loan is its address.
class open_memory final : public tutti::lender, public tutti::borrower {
 public:
  tutti::loan lend(const std::byte* data, std::size_t) const override { return reinterpret_cast<tutti::loan>(data); }
  std::byte* find(int, tutti::loan from) override { return reinterpret_cast<std::byte*>(from); }
};
