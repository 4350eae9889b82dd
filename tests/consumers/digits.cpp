#include <cstdio>
#include <tutti/kernel/onednn.hpp>
#include <tutti/train/dataset.hpp>

int main() try {
  tutti::onednn::context cpu(1);
  tutti::read_mnist("no such folder");
} catch (const tutti::error& refusal) {
  std::puts(tutti::name_of(refusal.code()));
}
