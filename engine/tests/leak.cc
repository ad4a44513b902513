// What kernels must not do: use inline code of the standard library.  symbols.cmake must find it.
#include <vector>

namespace gatework::avx2 {
int grow(std::vector<int>& numbers) {
  numbers.insert(numbers.begin(), 3, 7);
  return numbers.front();
}
}  // namespace gatework::avx2
