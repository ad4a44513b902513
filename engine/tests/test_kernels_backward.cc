// Gradients against finite differences of the reference, which knows nothing of derivatives.
#include "cases.h"
#include "pool.h"

using namespace gatework;
using namespace gatework::test;

namespace {

template <class T>
Arrays gradient_of(Run<T>& run) {
  CHECK(run.forward(true) == Status::ok);
  CHECK(run.backward() == Status::ok);
  return run.gradient();
}

double product(const Numbers& a, const Numbers& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double norm(const Numbers& a) { return std::sqrt(product(a, a)); }

// What lies at padding, of rows of x or of the scale, takes no part.
void zero_at_padding(const Given& g, Index width, Numbers& x) {
  for (Index b = 0; b < g.shape.B; ++b) {
    const Index L = g.lengths[static_cast<std::size_t>(b)];
    std::fill(x.begin() + (b * g.shape.T + L) * width, x.begin() + (b + 1) * g.shape.T * width, 0.0);
  }
}

// Every number of every gradient.
void check_each(const Given& given) {
  Run<double> run(given);
  const Arrays got = gradient_of(run);
  for (int input = 0; input < inputs; ++input) {
    const Numbers& gradient = got[static_cast<std::size_t>(input)];
    Numbers want, direction(gradient.size());
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      direction[i] = 1;
      want.push_back(slope(given, input, direction));
      direction[i] = 0;
    }
    CHECK_ALL_NEAR(given.shape.text() + " " + name_of(input), gradient, want, slope_tolerance(given.shape));
  }
}

// Each gradient along a direction of its own, so that any wrong number is seen, and float's against double's.
void check_along(const Given& given, std::uint64_t seed) {
  const Shape& s = given.shape;
  Run<double> run(given);
  const Arrays got = gradient_of(run);
  Random random(seed);
  for (int input = 0; input < inputs; ++input) {
    const Numbers& gradient = got[static_cast<std::size_t>(input)];
    if (gradient.empty()) continue;
    Numbers direction = random.numbers(static_cast<Index>(gradient.size()), 1);
    if (input == in_x) zero_at_padding(given, s.I, direction);
    if (input == in_scale) zero_at_padding(given, s.D * s.R(), direction);
    const double size = norm(direction);
    for (double& d : direction) d /= size ? size : 1;
    const double want = slope(given, input, direction), have = product(gradient, direction);
    CHECK_ALL_NEAR(s.text() + " along " + name_of(input), {have}, {want},
                   slope_tolerance(s) * (1 + norm(gradient)));
  }
  Run<float> narrow(given);
  const Arrays rough = gradient_of(narrow);
  for (std::size_t i = 0; i < inputs; ++i) {
    const double terms = static_cast<double>(std::max(s.gates(), s.x_gates()) * s.H + s.B * s.T);
    CHECK_ALL_NEAR(s.text() + " in float " + name_of(static_cast<int>(i)), rough[i], got[i],
                   tolerance(s, epsilon<float>) + 2 * epsilon<float> * terms);
  }
}

void check_kind(Kind kind, std::uint64_t seed, bool modify = false) {
  Random random(seed);
  for (const Index H : widths) {
    Shape s = any_shape(kind, H, random);
    if (modify) s = modified(s, random);
    if (H > 17) s.B = std::min<Index>(s.B, 7), s.T = std::min<Index>(s.T, 3);  // the reference takes its time
    check_along(draw(s, random.bits() % 1000), 1);
  }
}

}  // namespace

TEST(every_number_of_every_gradient) {
  for (const Kind kind : kinds) {
    Random random(20);
    for (int k = 0; k < 8; ++k) {
      Shape s = any_shape(kind, 2 + k % 3, random);
      s.D = 1 + k % 2, s.B = 1 + k % 4, s.T = k == 7 ? 9 : 1 + k % 5, s.I = 1 + k % 3;
      if (kind.projected) s.P = 1 + k % (s.H - 1);
      if (k > 3) s = modified(s, random);
      check_each(draw(s, static_cast<std::uint64_t>(k)));
    }
  }
}

TEST(lstm_of_all_sizes) { check_kind(kinds[0], 21); }
TEST(gru_of_all_sizes) { check_kind(kinds[1], 22); }
TEST(rnn_tanh_of_all_sizes) { check_kind(kinds[2], 23); }
TEST(rnn_relu_of_all_sizes) { check_kind(kinds[3], 24); }
TEST(projected_lstm_of_all_sizes) { check_kind(kinds[4], 25); }
TEST(family_of_all_sizes) {
  for (int k = first_variant; k < kind_count; ++k) check_kind(kinds[k], 100 + static_cast<std::uint64_t>(k));
}
TEST(modifiers_of_all_sizes) {
  for (int k = 0; k < kind_count; ++k) check_kind(kinds[k], 200 + static_cast<std::uint64_t>(k), true);
}

// A gradient that lacks one number's share would be seen.
TEST(wrong_gradients_would_be_seen) {
  Random random(26);
  const Given given = draw(any_shape(kinds[0], 17, random), 1);
  Run<double> run(given);
  Numbers gradient = gradient_of(run)[in_w];
  const Numbers direction = random.numbers(static_cast<Index>(gradient.size()), 1);
  const double want = slope(given, in_w, direction);
  CHECK(all_near({product(gradient, direction)}, {want}, 1e-7));
  gradient[3] += 1e-3;
  CHECK(!all_near({product(gradient, direction)}, {want}, 1e-7));
  gradient[3] = std::nan("");
  CHECK(!all_near({product(gradient, direction)}, {want}, 1e-7));
}

TEST(long_sequences) {  // several chunks of rows
  for (const Kind kind : kinds) {
    Random random(27);
    Shape s = any_shape(kind, 9, random);
    s.D = 2, s.B = 3, s.T = 257, s.I = 3, s.P = kind.projected ? 4 : 0;
    check_along(draw(s, 1), 1);
  }
}

TEST(nothing_of_something) {
  for (const Kind kind : kinds) {
    Random random(28);
    for (int k = 0; k < 12; ++k) {
      Shape s = any_shape(kind, 5, random);
      s.order = static_cast<Order>(k % 3);
      s.resets = s.resets && k % 3 < 2;
      if (k < 9) (k < 3 ? s.B : k < 6 ? s.T : s.I) = 0;
      if (k >= 9) s.lengths = Lengths::zero;
      check_along(draw(s, 1), 1);
    }
  }
}

// The same bits again, of the same `saved`; with a busy pool; and each gradient alone.
template <class T>
void check_bits(const Shape& shape) {
  Run<T> run(draw(shape, 1));
  const Arrays first = gradient_of(run);
  CHECK(run.backward() == Status::ok);
  CHECK(run.gradient() == first);
  CHECK(gradient_of(run) == first);
  run_tasks(
      2, [](void* r, int index, int, bool) {
        if (index == 0) CHECK(static_cast<Run<T>*>(r)->backward() == Status::ok);
      }, &run);
  CHECK(run.gradient() == first);
}

// What is not wanted is not written, and the rest is as it was.
void check_wanted(const Shape& shape, unsigned mask) {
  Run<double> run(draw(shape, 1));
  const Arrays all = gradient_of(run);
  run.want(mask);
  CHECK(run.backward() == Status::ok);
  const Arrays some = run.gradient();
  for (std::size_t i = 0; i < inputs; ++i) {
    if (mask >> i & 1) {
      CHECK_ALL_NEAR(shape.text() + " wanted " + name_of(static_cast<int>(i)), some[i], all[i],
                     16 * epsilon<double>);
    } else {
      for (const double x : some[i]) CHECK(std::isnan(x) || ((i == in_x || i == in_scale) && x == 0));  // 0: no row there
    }
  }
}

TEST(bits_do_not_change) {
  for (const Kind kind : kinds) {
    Random random(29);
    check_bits<float>(modified(any_shape(kind, 33, random), random));
    check_bits<float>(modified(shared_shape(kind, false, 2, random), random));
    check_bits<double>(modified(shared_shape(kind, false, 3, random), random));
    check_bits<float>(modified(shared_shape(kind, true, 3, random), random));
  }
}

TEST(gradients_that_nobody_wants) {
  for (const Kind kind : kinds) {
    Random random(30);
    const Shape shape = modified(any_shape(kind, 17, random), random);
    check_wanted(shape, 0);
    for (int input = 0; input < inputs; ++input) {
      check_wanted(shape, 1u << input);
      check_wanted(shape, ~(1u << input));
    }
    for (int k = 0; k < 10; ++k) {
      check_wanted(modified(any_shape(kind, 9, random), random), static_cast<unsigned>(random.bits()));
    }
  }
}

// No gradient comes from the last states: as if it were 0.
TEST(gradients_of_the_last_states_may_be_absent) {
  for (const Kind kind : kinds) {
    Random random(31);
    Given given = draw(any_shape(kind, 9, random), 1);
    for (Numbers* zeros : {&given.gradient.hn, &given.gradient.cn})
      std::fill(zeros->begin(), zeros->end(), 0.0);
    Run<double> run(given);
    const Arrays with = gradient_of(run);
    run.problem.dhn = run.problem.dcn = nullptr;
    CHECK(gradient_of(run) == with);
  }
}

// One thread, threads with sequences of their own, teams: the same gradients.
TEST(threads_agree) {
  for (const Kind kind : kinds) {
    Random random(32);
    for (const bool team : {false, true}) {
      for (const int threads : {2, 3}) {
        Shape s = modified(shared_shape(kind, team, threads, random), random);
        Run<double> many(draw(s, 1));
        const Arrays got = gradient_of(many);
        s.threads = 1;
        Run<double> one(draw(s, 1));
        const Arrays want = gradient_of(one);
        for (std::size_t i = 0; i < inputs; ++i) {
          CHECK_ALL_NEAR(many.s.text() + " " + name_of(static_cast<int>(i)), got[i], want[i],
                         tolerance(s, epsilon<double>) + epsilon<double> * static_cast<double>(s.B * s.T));
        }
      }
    }
  }
}
