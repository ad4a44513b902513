// One row of a detector in one call: what a network expected of it, how surprising it is, and the state after it.
//
// The same numbers as gatework.runtime (detect.py, tails.py, scoring.py) computes in blocks, up to rounding, on the
// same arrays, so that either goes on where the other stopped.  C numbers and D categories of a row, F features of
// its time, K channels that were constant in training, X = C + D + K surprises, H hidden units, Q quantiles.
#pragma once

#include <cstdint>
#include <vector>

#include "gatework/stream.h"

namespace gatework {

// Never changes; what a pointer leads to must outlive it.
struct RowModel {
  const Stream* stream = nullptr;  // float, I = (1 + mask) C + widths of the categories + F
  std::int64_t C = 0, F = 0, K = 0;
  const double* location = nullptr;  // (C) with `inverse`: numbers come raw, z = (raw - location) * inverse; null:
  const double* inverse = nullptr;   // they come as z
  bool mask = false;  // the network is told which numbers were missing
  std::int64_t below = 0, above = 0;  // quantiles below and above the median
  const float* weight = nullptr;  // (H, Q*C): the median, then widths downwards, then upwards
  const float* bias = nullptr;    // (Q*C)
  const float* keep = nullptr;    // (C) the share of the last row in the median
  struct Category {
    std::int64_t words = 0, width = 0;
    const float* table = nullptr;   // (words, width)
    const float* weight = nullptr;  // (H, words)
    const float* bias = nullptr;    // (words)
  };
  std::vector<Category> categories;  // D
  const float* tails = nullptr;      // (C + D, knots): nats at sinh of `knots` steps from -reach to reach
  std::int64_t knots = 0;
  double reach = 0;
  const float* levels = nullptr;     // (C, knots) the same of a number beside its slow mean; null: there is none
  double slowness = 0;               // share of a slow mean that a row replaces
  std::int64_t top = 1;   // surprises that count
  double forget = 0;      // share of a channel's usual surprise that a row replaces; 0: it is not divided by
  double share = 1;       // of a row in the smoothed surprise; 1: not smoothed
  double constant = 0;    // nats of a constant channel that has another value
};

// What is wrong with it; null when it is sound.
const char* fault(const RowModel& model);

// What a series remembers, and where a row's answer goes; the arrays are their owner's.
struct RowState {
  float* h = nullptr;  // of the stream (Z, 1, H)
  float* c = nullptr;  // where its cell has one
  float* last = nullptr;           // (C) carried forward, bent
  std::uint8_t* missing = nullptr; // (C)
  std::int64_t* tokens = nullptr;  // (D)
  double* usual = nullptr;         // (X)
  double* slow = nullptr;          // (C) where the model has levels: slow means, NaN before the first number
  double* held = nullptr;          // (2) the smoothed surprise; rows so far
  // the answer
  float* expected = nullptr;       // (3, C) lowest quantile, median, highest
  std::int64_t* best = nullptr;    // (D) the likeliest word
  float* chances = nullptr;        // (2, D) its probability; that of the word that came
  double* surprise = nullptr;      // (X) nats
};

struct RowSurprise {
  double joined = 0, total = 0;  // of the row; the sum of its columns
  std::int64_t first = 0;        // the most surprising column
};

struct Row {
  const float* z = nullptr;    // (C) standardised, NaN where missing
  const double* raw = nullptr; // (C) in its place, where the model has a location
  const std::int64_t* tokens = nullptr;   // (D)
  const float* calendar = nullptr;        // (F)
  const std::uint8_t* changed = nullptr;  // (K) whether a constant channel has another value; null: none
};

// One thread at a time.  `bad_argument`: a token that is no word, or an array is absent; nothing has changed then.
class RowStep {
 public:
  // Throws std::invalid_argument (fault) or std::bad_alloc.
  explicit RowStep(const RowModel& model);
  Status step(const RowState& state, const Row& row, RowSurprise& out);

 private:
  void numbers(const RowState& s, const float* z);
  void words(const RowState& s, const std::int64_t* tokens);
  double level(std::int64_t c, float z, double& slow) const;
  double nats(const float* table, double residual) const;
  double join(const RowState& s);

  RowModel m_;
  std::vector<float> z_, x_, h_, told_;
  std::vector<double> order_;
};

}  // namespace gatework
