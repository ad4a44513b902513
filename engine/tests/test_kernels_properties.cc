// What must hold whatever the numbers are: sequences do not meet, order does not matter, chunks make a whole.
#include <algorithm>
#include <numeric>
#include <thread>

#if defined(__linux__)
#include <filesystem>
#endif

#include "cases.h"

using namespace gatework;
using namespace gatework::test;

namespace {

// Threads of this process.
[[maybe_unused]] Index threads_now() {
#if defined(__linux__)
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
#else
  return 0;
#endif
}

// NaN and NaN are alike here; all else as all_near.
bool alike(Numbers got, Numbers want, double tolerance) {
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (std::isnan(got[i]) && std::isnan(want[i])) got[i] = want[i] = 0;
  }
  return all_near(got, want, tolerance);
}

// Row `row` of `rows` equal parts.
Numbers part(const Numbers& all, Index row, Index rows) {
  const Index n = static_cast<Index>(all.size()) / rows;
  return Numbers(all.begin() + row * n, all.begin() + (row + 1) * n);
}

Shape full_shape(Kind kind, Index H, Random& random) {
  Shape s = any_shape(kind, H, random);
  s.B = 7, s.T = 5, s.D = 1 + random.below(2), s.states = true;
  if (s.I < 2) s.I = 2;
  return s;
}

}  // namespace

// The first test: nobody has started a thread yet.
TEST(one_thread_is_one_thread) {
#if defined(__linux__)
  const Index before = threads_now();
  for (const Kind kind : kinds) {
    Random random(40);
    for (const bool team : {false, true}) {
      Shape s = shared_shape(kind, team, 2, random);
      s.D = 2, s.threads = 1;
      Run<float> run(draw(s, 1));
      CHECK(run.forward(true) == Status::ok && run.backward() == Status::ok);
      CHECK(run.forward(false) == Status::ok);
    }
  }
  CHECK(threads_now() == before);
#endif
}

// A sequence with a NaN or an infinity: as the reference has it, and all others as if it were not there.
template <class T>
void check_poisoned(const Shape& s, double value, bool in_state) {
  Given given = draw(s, 1);
  const Index b = s.B / 2;
  Run<T> clean(given);
  CHECK(clean.forward(true) == Status::ok && clean.backward() == Status::ok);
  if (in_state) {
    given.in[in_h0][static_cast<std::size_t>(b * s.R())] = value;
  } else {
    given.in[in_x][static_cast<std::size_t>((b * s.T + s.T / 2) * s.I)] = value;
  }
  Run<T> run(given);
  const double tolerance = test::tolerance(s, epsilon<T>);
  const Outputs want = reference(given);
  for (const bool keep : {false, true}) {
    CHECK(run.forward(keep) == Status::ok);
    const Outputs got = run.outputs(), other = clean.outputs();
    if (!alike(got.y, want.y, tolerance) || !alike(got.hn, want.hn, tolerance) ||
        !alike(got.cn, want.cn, tolerance))
      test::fail(__FILE__, __LINE__, (s.text() + " poisoned with " + std::to_string(value)).c_str());
    for (Index k = 0; keep && k < s.B; ++k) CHECK(k == b || part(got.y, k, s.B) == part(other.y, k, s.B));
  }
  CHECK(run.backward() == Status::ok);
  const Numbers dx = run.gradient()[in_x], other = clean.gradient()[in_x];
  const Numbers dh0 = run.gradient()[in_h0], other_dh0 = clean.gradient()[in_h0];
  for (Index k = 0; k < s.B; ++k) {
    if (k == b) continue;
    CHECK(part(dx, k, s.B) == part(other, k, s.B));
    for (Index row = k; row < s.rows(); row += s.B)
      CHECK(part(dh0, row, s.rows()) == part(other_dh0, row, s.rows()));
  }
}

TEST(poison_stays_in_its_sequence) {
  for (const Kind kind : kinds) {
    Random random(41);
    for (const double value : {std::nan(""), double(INFINITY), -double(INFINITY)}) {
      for (const bool in_state : {false, true}) {
        for (const Index H : {3, 16, 33}) {
          check_poisoned<float>(full_shape(kind, H, random), value, in_state);
          check_poisoned<double>(full_shape(kind, H, random), value, in_state);
        }
      }
    }
  }
}

// With one infinite input all gates are 0 or 1: nothing flows through them, and nothing but the gradient of its
// weight becomes NaN, whatever lanes there are beyond the units.
TEST(infinity_of_an_input_closes_gates) {
  for (const Cell cell : {Cell::lstm, Cell::rnn_tanh}) {
    for (const Index H : {3, 16, 17}) {
      Shape s;
      s.cell = cell, s.B = 2, s.T = 4, s.I = 1, s.H = H;
      Given given = draw(s, 3);
      given.in[in_x][1] = INFINITY;
      Run<float> run(given);
      CHECK(run.forward(true) == Status::ok && run.backward() == Status::ok);
      Arrays got = run.gradient();
      const auto finite = [](double x) { return std::isfinite(x); };
      for (int input = 0; input < inputs; ++input) {
        const Numbers& numbers = got[static_cast<std::size_t>(input)];
        if (input == in_w) {
          CHECK(std::none_of(numbers.begin(), numbers.end(), finite));
        } else if (!std::all_of(numbers.begin(), numbers.end(), finite)) {
          test::fail(__FILE__, __LINE__, (s.text() + " " + name_of(input)).c_str());
        }
      }
    }
  }
}

// Nothing gets past a reset, in either direction of time.
TEST(reset_stops_poison) {
  for (const Kind kind : kinds) {
    Random random(42);
    Shape s = full_shape(kind, 9, random);
    s.D = 1, s.order = Order::batch_first, s.lengths = Lengths::none, s.resets = true;
    Given given = draw(s, 1);
    for (Index b = 0; b < s.B; ++b) {
      given.resets[static_cast<std::size_t>(b * s.T + 3)] = 1;
      given.in[in_x][static_cast<std::size_t>((b * s.T + 2) * s.I)] = std::nan("");
    }
    given.gradient.y.assign(given.gradient.y.size(), 1.0);
    Run<float> run(given);
    CHECK(run.forward(true) == Status::ok && run.backward() == Status::ok);
    const Numbers y = run.outputs().y, dx = run.gradient()[in_x];
    for (Index row = 0; row < s.B * s.T; ++row) {
      if (row % s.T < 3) continue;
      for (const double value : part(y, row, s.B * s.T)) CHECK(!std::isnan(value));
      for (const double value : part(dx, row, s.B * s.T)) CHECK(!std::isnan(value));
    }
  }
}

namespace {

// Rows of `all`, of which `n` belong to each sequence of each of `blocks` blocks, in another order.
Numbers permuted(const Numbers& all, const std::vector<Index>& order, Index blocks) {
  const Index B = static_cast<Index>(order.size());
  Numbers out;
  for (Index block = 0; block < blocks; ++block) {
    for (const Index b : order) {
      const Numbers row = part(all, block * B + b, blocks * B);
      out.insert(out.end(), row.begin(), row.end());
    }
  }
  return out;
}

}  // namespace

TEST(order_of_sequences_does_not_matter) {
  for (const Kind kind : kinds) {
    Random random(43);
    Shape s = full_shape(kind, 17, random);
    s.B = 13, s.lengths = Lengths::ragged, s.order = Order::batch_first;
    const Given given = draw(s, 1);
    std::vector<Index> order(static_cast<std::size_t>(s.B));
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t k = order.size(); k-- > 1;)
      std::swap(order[k], order[static_cast<std::size_t>(random.below(static_cast<Index>(k + 1)))]);
    Given moved = given;
    for (std::size_t k = 0; k < order.size(); ++k) {
      const auto from = static_cast<std::size_t>(order[k]), T = static_cast<std::size_t>(s.T);
      moved.lengths[k] = given.lengths[from];
      std::copy_n(given.resets.begin() + from * T, T, moved.resets.begin() + k * T);
    }
    moved.in[in_x] = permuted(given.in[in_x], order, 1);
    moved.gradient.y = permuted(given.gradient.y, order, 1);
    for (const int i : {int{in_h0}, int{in_c0}}) moved.in[i] = permuted(given.in[i], order, s.D);
    moved.gradient.hn = permuted(given.gradient.hn, order, s.D);
    moved.gradient.cn = permuted(given.gradient.cn, order, s.D);
    Run<double> one(given), two(moved);
    CHECK(one.forward(true) == Status::ok && one.backward() == Status::ok);
    CHECK(two.forward(true) == Status::ok && two.backward() == Status::ok);
    const double tolerance = 64 * epsilon<double>;
    const Outputs want = one.outputs(), got = two.outputs();
    CHECK_ALL_NEAR(s.text() + " y", got.y, permuted(want.y, order, 1), tolerance);
    CHECK_ALL_NEAR(s.text() + " hn", got.hn, permuted(want.hn, order, s.D), tolerance);
    CHECK_ALL_NEAR(s.text() + " cn", got.cn, permuted(want.cn, order, s.D), tolerance);
    const Arrays dwant = one.gradient(), dgot = two.gradient();
    CHECK_ALL_NEAR(s.text() + " dx", dgot[in_x], permuted(dwant[in_x], order, 1), tolerance);
    CHECK_ALL_NEAR(s.text() + " dh0", dgot[in_h0], permuted(dwant[in_h0], order, s.D), tolerance);
    for (std::size_t i = in_w; i < inputs; ++i) CHECK_ALL_NEAR(s.text(), dgot[i], dwant[i], tolerance);
  }
}

namespace {

// Steps first..last of every sequence.
Given chunk(const Given& g, Index first, Index last) {
  const Shape& s = g.shape;
  Given c = g;
  c.shape.T = last - first;
  c.shape.lengths = Lengths::full;
  const auto steps = [&](const Numbers& all) {
    Numbers out;
    for (Index b = 0; b < s.B; ++b) {
      const Numbers sequence = part(all, b, s.B);
      for (Index t = first; t < last; ++t) {
        const Numbers row = part(sequence, t, s.T);
        out.insert(out.end(), row.begin(), row.end());
      }
    }
    return out;
  };
  c.in[in_x] = steps(g.in[in_x]);
  c.gradient.y = steps(g.gradient.y);
  c.resets.clear();
  for (Index b = 0; b < s.B; ++b) {
    for (Index t = first; t < last; ++t) c.resets.push_back(g.resets[static_cast<std::size_t>(b * s.T + t)]);
    Index& length = c.lengths[static_cast<std::size_t>(b)];
    length = std::clamp<Index>(length - first, 0, last - first);
  }
  return c;
}

}  // namespace

// States carried forward, gradients carried back.
TEST(chunks_make_a_whole) {
  for (const Kind kind : kinds) {
    Random random(44);
    for (int k = 0; k < 3; ++k) {
      Shape s = full_shape(kind, 17, random);
      s.D = 1, s.T = 9, s.order = static_cast<Order>(k), s.lengths = Lengths::ragged, s.resets = k < 2;
      const Given given = draw(s, 1);
      Run<double> whole(given);
      CHECK(whole.forward(true) == Status::ok && whole.backward() == Status::ok);

      Given first = chunk(given, 0, 4), second = chunk(given, 4, 9);
      Run<double> early(first);
      CHECK(early.forward(true) == Status::ok);
      second.in[in_h0] = early.outputs().hn;
      second.in[in_c0] = early.outputs().cn;
      Run<double> late(second);
      CHECK(late.forward(true) == Status::ok && late.backward() == Status::ok);
      const Arrays dlate = late.gradient(), dwhole = whole.gradient();
      first.gradient.hn = dlate[in_h0];
      first.gradient.cn = dlate[in_c0];
      Run<double> again(first);
      CHECK(again.forward(true) == Status::ok && again.backward() == Status::ok);
      const Arrays dearly = again.gradient();

      const double tolerance = 64 * epsilon<double>;
      const Outputs want = whole.outputs(), got = late.outputs();
      CHECK_ALL_NEAR(s.text() + " hn", got.hn, want.hn, tolerance);
      CHECK_ALL_NEAR(s.text() + " cn", got.cn, want.cn, tolerance);
      CHECK_ALL_NEAR(s.text() + " dh0", dearly[in_h0], dwhole[in_h0], tolerance);
      CHECK_ALL_NEAR(s.text() + " dc0", dearly[in_c0], dwhole[in_c0], tolerance);
      for (std::size_t i = in_w; i < inputs; ++i) {
        Numbers sum = dearly[i];
        for (std::size_t n = 0; n < sum.size(); ++n) sum[n] += dlate[i][n];
        CHECK_ALL_NEAR(s.text() + " " + name_of(static_cast<int>(i)), sum, dwhole[i], tolerance);
      }
    }
  }
}

// Several callers, each with threads: the same bits as alone.
TEST(callers_do_not_meet) {
  Random random(45);
  std::vector<Run<float>*> runs;
  std::vector<Outputs> alone;
  std::vector<Arrays> gradients;
  for (int k = 0; k < 3; ++k) {
    runs.push_back(new Run<float>(draw(shared_shape(kinds[k], k == 1, 2, random), 1)));
    CHECK(runs.back()->forward(true) == Status::ok && runs.back()->backward() == Status::ok);
    alone.push_back(runs.back()->outputs());
    gradients.push_back(runs.back()->gradient());
  }
  bool right[3] = {true, true, true};  // CHECK is for one thread
  std::vector<std::thread> callers;
  for (std::size_t k = 0; k < 3; ++k) {
    callers.emplace_back([&, k] {
      for (int round = 0; round < 4; ++round) {
        const Backward& problem = runs[k]->problem;
        right[k] = right[k] && forward(problem) == Status::ok && backward(problem) == Status::ok &&
                   same(runs[k]->outputs(), alone[k]) && runs[k]->gradient() == gradients[k];
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(right[0] && right[1] && right[2]);
  for (Run<float>* run : runs) delete run;
}
