#pragma once
#include <exception>
#include <vector>

#include <tutti/base/bootstrap.hpp>

namespace tutti {

/// Thrown out of an all-gather of survivors of which another has been lost: those
/// that remain gather once more, without it.
struct survivor_lost final : std::exception {
  const char* what() const noexcept override { return "another rank was lost while the survivors joined"; }
};

/// The ranks that go on after a verdict. They have agreed on who they are, and
/// can now gather bytes from each other: contributions by rank of the world,
/// nothing from those that are not among them. Whoever is destroyed before
/// `settle` is lost to the others.
class survivors : public exchange {
 public:
  /// In ascending order, the same on each of them.
  virtual const std::vector<int>& members() const = 0;

  /// Whether another has been lost, so that what failed here may be its doing: then
  /// those that remain gather once more.
  virtual bool lost_another() { return false; }

  /// To be called once each of them has made what it needs: true, on all of them,
  /// where all have come so far. Nothing can be gathered afterwards.
  virtual bool settle() = 0;
};

}  // namespace tutti
