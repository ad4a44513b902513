// The forward pass against the reference, in memory as hostile as it may be (arrays.h).
#include "cases.h"
#include "pool.h"

using namespace gatework;
using namespace gatework::test;

namespace {

template <class T>
std::string text_of(const Shape& s) {
  return (sizeof(T) == 8 ? "f64 " : "f32 ") + s.text() + ":";
}

// Training and inference against the reference; the same bits again.
template <class T>
void check_forward(const Given& given, const Outputs& want) {
  const double tolerance = test::tolerance(given.shape, epsilon<T>);
  Run<T> run(given);
  CHECK(run.forward(true) == Status::ok);
  const Outputs training = run.outputs();
  CHECK_OUTPUTS(text_of<T>(given.shape) + " training", training, want, tolerance);
  CHECK(run.forward(true) == Status::ok);
  CHECK(same(run.outputs(), training));
  CHECK(run.forward(false) == Status::ok);
  const Outputs inference = run.outputs();
  CHECK_OUTPUTS(text_of<T>(given.shape) + " inference", inference, want, tolerance);
  CHECK_OUTPUTS(text_of<T>(given.shape) + " inference, training", inference, training, 8 * epsilon<T>);
  CHECK(run.forward(false) == Status::ok);
  CHECK(same(run.outputs(), inference));
}

void check_forward(const Shape& shape, std::uint64_t seed) {
  const Given given = draw(shape, seed);
  const Outputs want = reference(given);
  check_forward<float>(given, want);
  check_forward<double>(given, want);
}

void check_kind(Kind kind, std::uint64_t seed) {
  Random random(seed);
  for (const Index H : widths) check_forward(any_shape(kind, H, random), random.bits() % 1000);
}

// With masks and mixtures: recurrent dropout, zoneout, decay.
void check_modified(Kind kind, std::uint64_t seed) {
  Random random(seed);
  for (const Index H : widths) check_forward(modified(any_shape(kind, H, random), random), random.bits() % 1000);
}

}  // namespace

TEST(comparison_sees_what_is_wrong) {
  const double nan = std::nan("");
  CHECK(all_near({1, 2}, {1, 2}, 0));
  CHECK(all_near({1, 2}, {1, 2.00001}, 1e-4));
  CHECK(!all_near({1, 2}, {1, 2.001}, 1e-4));
  CHECK(!all_near({1, nan}, {1, 2}, 1e-4) && !all_near({1, 2}, {1, nan}, 1e-4));
  CHECK(!all_near({nan}, {nan}, 1e-4) && !all_near({1e300}, {INFINITY}, 1e-4));
  CHECK(!all_near({1}, {1, 2}, 1e-4));
  std::string where;
  CHECK(!all_near({0, 1, 5}, {0, 1, 2}, 1e-4, &where) && where.find("[2] of 3 is 5, should be 2") == 0);
}

// One number of another value: the checks above would see it.
TEST(kernels_that_were_wrong_would_be_seen) {
  for (const Kind kind : kinds) {
    Random random(5);
    Shape shape = any_shape(kind, 17, random);
    shape.B = 9, shape.T = 3, shape.I = 3, shape.lengths = Lengths::full, shape.states = true, shape.resets = false;
    shape.biases = false, shape.params = true;  // so that no unit is dead
    const double accuracy = normalises(kind.cell) ? epsilon<double> : epsilon<float>;  // as small errors may grow there
    Given given = draw(shape, 1);
    const Outputs right = reference(given);
    for (const int input : {int{in_x}, int{in_w}, in_w + 1}) {
      Given changed = given;
      if (changed.in[static_cast<std::size_t>(input)].empty()) continue;  // no product with h
      changed.in[static_cast<std::size_t>(input)].back() += 0.01;
      Outputs wrong = reference(changed);
      CHECK(!all_near(wrong.y, right.y, tolerance(shape, accuracy)));
    }
  }
}

TEST(lstm_of_all_sizes) { check_kind(kinds[0], 1); }
TEST(gru_of_all_sizes) { check_kind(kinds[1], 2); }
TEST(rnn_tanh_of_all_sizes) { check_kind(kinds[2], 3); }
TEST(rnn_relu_of_all_sizes) { check_kind(kinds[3], 4); }
TEST(projected_lstm_of_all_sizes) { check_kind(kinds[4], 5); }
TEST(family_of_all_sizes) {
  for (int k = first_variant; k < kind_count; ++k) check_kind(kinds[k], 100 + static_cast<std::uint64_t>(k));
}
TEST(modifiers_of_all_sizes) {
  for (int k = 0; k < kind_count; ++k) check_modified(kinds[k], 200 + static_cast<std::uint64_t>(k));
}

TEST(long_sequences) {
  for (const Kind kind : kinds) {  // several chunks of rows
    Random random(6);
    for (const Index T : {257, 700}) {
      Shape s = any_shape(kind, 20, random);
      s.B = 3, s.T = T, s.I = 7, s.P = kind.projected ? 5 : 0;
      s.D = T == 257 ? 2 : 1;
      check_forward(s, 1);
    }
  }
}

TEST(lengths_of_every_kind) {
  for (const Kind kind : kinds) {
    Random random(7);
    for (const Lengths lengths :
         {Lengths::none, Lengths::full, Lengths::ragged, Lengths::equal, Lengths::zero}) {
      for (const Order order : {Order::batch_first, Order::time_first, Order::packed}) {
        Shape s = any_shape(kind, 5, random);
        s.D = 2, s.B = 7, s.T = 4, s.I = 3, s.lengths = lengths, s.order = order, s.resets = false;
        check_forward(s, 1);
      }
    }
  }
}

// Without sequences, steps or inputs.
TEST(nothing_of_something) {
  for (const Kind kind : kinds) {
    Random random(8);
    for (int k = 0; k < 9; ++k) {
      Shape s = any_shape(kind, 9, random);
      s.order = static_cast<Order>(k % 3);
      s.resets = s.resets && k % 3 < 2;
      (k < 3 ? s.B : k < 6 ? s.T : s.I) = 0;
      check_forward(s, 1);
    }
  }
}

// Few steps go another way, without packing, when nothing is kept.
TEST(few_rows) {
  for (const Kind kind : kinds) {
    Random random(9);
    for (Index rows = 1; rows <= 8; ++rows) {
      for (Index T = 1; T <= rows; ++T) {
        Shape s = any_shape(kind, pick(widths, random), random);
        s.B = rows / T, s.T = T;
        check_forward(s, 1);
      }
    }
  }
}

TEST(sequences_dealt_out_to_threads) {
  for (const Kind kind : kinds) {
    Random random(10);
    for (const int threads : {2, 3}) check_forward(modified(shared_shape(kind, false, threads, random), random), 1);
  }
}

TEST(units_dealt_out_to_teams) {
  for (const Kind kind : kinds) {
    Random random(11);
    for (const int threads : {2, 3, 4}) check_forward(modified(shared_shape(kind, true, threads, random), random), 1);
  }
}

TEST(few_sequences_of_few_units_and_more_threads) {
  Shape s;
  s.B = 2, s.T = 300, s.I = 9, s.H = 33, s.threads = 3;
  check_forward(s, 1);
  s.D = 2, s.threads = 7, s.lengths = Lengths::ragged;
  check_forward(s, 2);
}

// Somebody else uses the pool: one after the other, with the same bits.
TEST(busy_pool) {
  for (const bool team : {false, true}) {
    for (const Kind kind : kinds) {
      Random random(12);
      Run<float> run(draw(shared_shape(kind, team, 3, random), 1));
      CHECK(run.forward(true) == Status::ok);
      const Outputs alone = run.outputs();
      run_tasks(
          2, [](void* r, int index, int, bool) {
            if (index == 0) CHECK(static_cast<Run<float>*>(r)->forward(true) == Status::ok);
          }, &run);
      CHECK(same(run.outputs(), alone));
    }
  }
}
