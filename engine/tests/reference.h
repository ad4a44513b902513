// What the kernels must compute: every cell as a plain loop in double precision, and how results are compared.
//
// A case is drawn from a seed (`draw`), run by `reference`, and compared with `check_all_near`, whose tolerance
// is computed from the type's epsilon and the number of terms.  Numbers are floats in any case, so that float
// and double see the same.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "gatework/engine.h"

namespace gatework::test {

using Index = std::int64_t;
using Numbers = std::vector<double>;

class Random {  // splitmix64: the same on every machine
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t bits();
  Index below(Index n) { return static_cast<Index>(bits() % static_cast<std::uint64_t>(n)); }
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-52 - 1; }  // -1..1
  Numbers numbers(Index n, double size);                                         // floats in -size..size

 private:
  std::uint64_t state_;
};

enum class Lengths { none, full, ragged, equal, zero };  // none: no array of lengths
enum class Order { batch_first, time_first, packed };
// Of a modifier's rows: none, a row for each step, one for all steps of a sequence (a stride of 0).
enum class Rate { none, each, constant };

// Whether a cell divides by the deviation of a row.
bool normalises(Cell cell);

struct Shape {
  Cell cell = Cell::lstm;
  Index D = 1, B = 1, T = 1, I = 1, H = 1, P = 0;
  Lengths lengths = Lengths::none;
  Order order = Order::batch_first;
  bool resets = false, states = true, biases = true, params = true;
  Rate scale = Rate::none, zone_h = Rate::none, zone_c = Rate::none;
  bool decay = false;
  Index gap = 0;    // elements between rows
  Index shift = 0;  // elements by which arrays are off the alignment of malloc
  int threads = 1;

  Index R() const { return P ? P : H; }
  // Products with h and with x, values a unit beside h, vectors of H.
  Index gates() const { return traits(cell).gates; }
  Index x_gates() const { return traits(cell).inputs; }
  Index cells() const { return traits(cell).cells; }
  Index vectors() const { return params ? traits(cell).params : 0; }
  Index rows() const { return D * B; }
  std::string text() const;
};

// What goes in, by number: x h0 c0, then w_ih w_hh b_ih b_hh w_hr params of each direction, then the scale, a row for
// each step whatever `Rate`.  Gradients are kept alike.
inline constexpr int own_weights = 6;
enum Input { in_x, in_h0, in_c0, in_w, in_scale = in_w + 2 * own_weights };
inline constexpr int inputs = in_scale + 1;
using Arrays = std::array<Numbers, inputs>;
std::string name_of(int input);

struct Outputs {
  Numbers y, hn, cn;  // (B, T, D*R), (D, B, R), (D, B, C*H)
};

struct Given {
  Shape shape;
  Arrays in;
  Numbers zone_h, zone_c;             // (B, T, D*H), or empty
  std::vector<Index> lengths;         // (B), whatever `Lengths`
  std::vector<std::uint8_t> resets;  // (B, T)
  Outputs gradient;                   // of what comes out
};

Given draw(const Shape& shape, std::uint64_t seed);
Outputs reference(const Given& given);

// sum(gradient * output)
double loss(const Given& given, const Outputs& out);
// Its derivative at input `which` along `direction`, by central differences.
double slope(const Given& given, int which, const Numbers& direction);
// Its error; where rows are divided by their deviation, up to 316 times as steep, more is cut off.
double slope_tolerance(const Shape& s);

// Error of a sum of I + R products and a few functions, on its way through up to ten steps (gates forget).
double tolerance(const Shape& s, double epsilon);

// True where got is want to within tolerance * (1 + |want|) everywhere; a NaN on either side is an error.
bool all_near(const Numbers& got, const Numbers& want, double tolerance, std::string* where = nullptr);
void check_all_near(const char* file, int line, const std::string& what, const Numbers& got,
                    const Numbers& want, double tolerance);

}  // namespace gatework::test

#define CHECK_ALL_NEAR(what, got, want, tolerance) \
  ::gatework::test::check_all_near(__FILE__, __LINE__, what, got, want, tolerance)
