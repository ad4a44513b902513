#include "gatework/row_step.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "cpu.h"
#include "dense_kernels.h"
#include "kernels.h"

namespace gatework {
namespace {

// As in gatework.runtime.detect, tails and scoring.
constexpr float soft = 4.0f, hard = 8.0f;  // a number beyond `soft` deviations is bent, up to `hard`
constexpr float narrowest = 0.01f;         // of a side of the median
constexpr float tie = 1.000001f;           // probabilities that are one and the same but for rounding
constexpr double least_mass = 1e-12;
constexpr double farthest = 50.0;          // deviations that a slow mean is told
constexpr double most_nats = 60.0;         // that a surprise adds to a column's usual one

float bent(float z) {
  const float far = std::fabs(z);
  if (!(far > soft)) return z;
  return std::copysign(std::min(soft + std::log1p(far - soft), hard), z);
}

std::size_t size(Index n) { return static_cast<std::size_t>(n); }

}  // namespace

const char* fault(const RowModel& m) {
  constexpr Index most = Index(1) << 24;
  const Index D = static_cast<Index>(m.categories.size());
  if (!m.stream || m.stream->f64()) return "there must be a stream in float";
  for (const Index n : {m.C, m.F, m.K, D, m.below, m.above}) {
    if (n < 0 || n > most) return "a size is out of range";
  }
  if (m.C + D < 1) return "a row has neither numbers nor categories";
  const auto& layer = m.stream->layers()[0];
  Index inputs = m.C * (m.mask ? 2 : 1) + m.F;
  for (const auto& c : m.categories) {
    if (c.words < 1 || c.words > most || c.width < 0 || c.width > most) return "a size is out of range";
    if (!c.table || !c.weight || !c.bias) return "an array of a category is absent";
    inputs += c.width;
  }
  if (inputs != layer.I || layer.P) return "the stream's inputs are not a row";
  if (!m.location != !m.inverse) return "a location and its inverse scale go together";
  if (m.C && (!m.weight || !m.bias || !m.keep)) return "an array of the numbers is absent";
  if (m.C && (m.below < 1 || m.above < 1)) return "there must be quantiles on both sides of the median";
  if (!m.tails || m.knots < 2 || m.knots > most || !(m.reach > 0)) return "there must be tails";
  if (m.levels && !(m.slowness > 0 && m.slowness <= 1)) return "a slowness is out of range";
  if (m.top < 1) return "at least one surprise must count";
  if (!(m.forget >= 0 && m.forget < 1 && m.share > 0 && m.share <= 1)) return "a share is out of range";
  return nullptr;
}

RowStep::RowStep(const RowModel& model) : m_(model) {
  if (const char* why = fault(model)) throw std::invalid_argument(why);
  const auto& layer = m_.stream->layers()[0];
  Index told = m_.C * (1 + m_.below + m_.above);
  for (const auto& c : m_.categories) told = std::max(told, c.words);
  z_.resize(size(m_.C));
  x_.resize(size(layer.I));
  h_.resize(size(layer.H));
  told_.resize(size(told));
  order_.resize(size(m_.C + m_.K) + m_.categories.size());
}

Status RowStep::step(const RowState& s, const Row& row, RowSurprise& out) {
  const std::int64_t* tokens = row.tokens;
  const bool absent = m_.location ? !row.raw : !row.z;
  const Index C = m_.C, D = static_cast<Index>(m_.categories.size()), X = C + D + m_.K;
  if ((C && (absent || !s.last || !s.missing || !s.expected)) || (m_.F && !row.calendar) ||
      (m_.levels && !s.slow) || !s.usual || !s.held || !s.surprise ||
      (D && (!tokens || !s.tokens || !s.best || !s.chances)))
    return Status::bad_argument;
  for (Index d = 0; d < D; ++d) {
    const Index n = m_.categories[size(d)].words;
    if (tokens[d] < 0 || tokens[d] >= n || s.tokens[d] < 0 || s.tokens[d] >= n) return Status::bad_argument;
  }
  float* x = std::copy(s.last, s.last + C, x_.data());
  if (m_.mask) x = std::transform(s.missing, s.missing + C, x, [](std::uint8_t gone) { return gone ? 1.0f : 0.0f; });
  for (Index d = 0; d < D; ++d) {
    const auto& c = m_.categories[size(d)];
    x = std::copy_n(c.table + s.tokens[d] * c.width, c.width, x);
  }
  if (m_.F) std::copy_n(row.calendar, m_.F, x);
  if (const Status status = m_.stream->step(1, x_.data(), s.h, s.c, h_.data()); status != Status::ok) return status;
  for (Index c = 0; m_.location && c < C; ++c)
    z_[size(c)] = static_cast<float>((row.raw[c] - m_.location[c]) * m_.inverse[c]);
  if (C) numbers(s, m_.location ? z_.data() : row.z);
  if (D) words(s, tokens);
  for (Index k = 0; k < m_.K; ++k) s.surprise[C + D + k] = row.changed && row.changed[k] ? m_.constant : 0.0;
  out.joined = join(s);
  out.first = std::max_element(s.surprise, s.surprise + X) - s.surprise;
  out.total = 0;
  for (Index i = 0; i < X; ++i) out.total += s.surprise[i];
  return Status::ok;
}

// What was expected of the numbers and how surprising they are; then they are the last ones.
void RowStep::numbers(const RowState& s, const float* z) {
  const DenseKernels& k = active_path().dense();
  const Index C = m_.C, columns = C * (1 + m_.below + m_.above);
  float *told = told_.data(), *widths = told + C;
  k.dense(h_.data(), static_cast<Index>(h_.size()), m_.weight, columns, m_.bias, told);
  k.softplus(widths, columns - C);
  float *low = s.expected, *middle = low + C, *high = middle + C;
  for (Index b = 1; b < m_.below; ++b) {
    for (Index c = 0; c < C; ++c) widths[c] += widths[b * C + c];
  }
  const float* over = widths + m_.below * C;
  for (Index c = 0; c < C; ++c) {
    middle[c] = told[c] + m_.keep[c] * s.last[c];
    low[c] = middle[c] - widths[c];
    high[c] = over[c];
  }
  for (Index b = 1; b < m_.above; ++b) {
    for (Index c = 0; c < C; ++c) high[c] += over[b * C + c];
  }
  for (Index c = 0; c < C; ++c) high[c] = middle[c] + high[c];
  for (Index c = 0; c < C; ++c) {
    const float distance = z[c] - middle[c], side = distance > 0 ? high[c] - middle[c] : middle[c] - low[c];
    s.surprise[c] = nats(m_.tails + c * m_.knots, static_cast<double>(distance / (side + narrowest)));
    if (m_.levels) s.surprise[c] = std::max(s.surprise[c], level(c, z[c], s.slow[c]));
    const bool gone = std::isnan(z[c]);
    if (!gone) s.last[c] = bent(z[c]);
    if (m_.mask) s.missing[c] = gone;
  }
}

// -ln of the probability of a word no likelier than the one that came.
void RowStep::words(const RowState& s, const std::int64_t* tokens) {
  const DenseKernels& k = active_path().dense();
  const Index D = static_cast<Index>(m_.categories.size());
  for (Index d = 0; d < D; ++d) {
    const auto& c = m_.categories[size(d)];
    float* p = told_.data();
    k.dense(h_.data(), static_cast<Index>(h_.size()), c.weight, c.words, c.bias, p);
    k.softmax(p, c.words);
    const float own = p[tokens[d]], edge = own * tie;
    float mass = 0;
    for (Index w = 0; w < c.words; ++w) mass += p[w] <= edge ? p[w] : 0.0f;
    const Index best = std::max_element(p, p + c.words) - p;
    s.best[d] = best;
    s.chances[d] = p[best];
    s.chances[D + d] = own;
    s.surprise[m_.C + d] =
        nats(m_.tails + (m_.C + d) * m_.knots, -std::log(std::max(static_cast<double>(mass), least_mass)));
    s.tokens[d] = tokens[d];
  }
}

// How surprising a number is beside the slow mean of those before it, which moves on.
double RowStep::level(std::int64_t c, float z, double& slow) const {
  if (std::isnan(z)) return 0;
  const double near = std::clamp(static_cast<double>(z), -farthest, farthest), distance = near - slow;
  slow = std::isnan(slow) ? near : slow + m_.slowness * distance;
  return nats(m_.levels + c * m_.knots, distance);
}

// A straight line between the two knots beside asinh of the residual; 0 of NaN.
double RowStep::nats(const float* table, double residual) const {
  if (std::isnan(residual)) return 0;
  const double steps = static_cast<double>(m_.knots - 1);
  const double u = (std::asinh(residual) + m_.reach) * (steps / (2 * m_.reach));
  const double place = std::min(std::max(u, 0.0), steps - 1e-6);
  const Index knot = static_cast<Index>(place);
  const float* at = table + knot;
  const double low = static_cast<double>(at[0]);
  return low + (place - static_cast<double>(knot)) * (static_cast<double>(at[1]) - low);
}

// One number of all surprises, each divided by its usual size where that is kept.
double RowStep::join(const RowState& s) {
  const Index X = static_cast<Index>(order_.size());
  for (Index i = 0; m_.forget > 0 && i < X; ++i) {
    const double nats = s.surprise[i], usual = s.usual[i];
    s.surprise[i] = nats / std::max(1.0, usual);
    s.usual[i] = usual + m_.forget * (std::min(nats, most_nats) - usual);
  }
  const Index top = std::min(m_.top, X);
  double joined = 0;
  if (top == 1) {
    joined = *std::max_element(s.surprise, s.surprise + X);
  } else {
    std::copy(s.surprise, s.surprise + X, order_.begin());
    // a heap stays inside its bounds even with NaN, from damaged tails
    if (top < X) std::partial_sort(order_.begin(), order_.begin() + top, order_.end(), std::greater<>());
    for (Index i = 0; i < top; ++i) joined += order_[size(i)];
    joined /= static_cast<double>(top);
  }
  if (m_.share != 1) {
    const double level = s.held[1] > 0 ? s.held[0] : 1.0;
    s.held[0] = joined = level + (joined - level) * m_.share;
  }
  s.held[1] += 1;
  return joined;
}

}  // namespace gatework
