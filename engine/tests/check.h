// The whole test framework: TEST makes a test, CHECK looks, main.cc runs them all.
//
//   TEST(sums_are_exact) { CHECK(sum(x, 3) == 6.0); }
//   CHECK_NEAR(got, want, tolerance)     a NaN on either side fails
//   CHECK_THROWS(statement, "part of the message")
#pragma once

namespace gatework::test {

struct Test {
  Test(const char* name, void (*run)());
  const char* name;
  void (*run)();
  Test* next;
};

// Notes a failure and goes on; only the first few of a test are printed.
void fail(const char* file, int line, const char* what);
void fail_near(const char* file, int line, const char* what, double got, double want, double tolerance);
void check_throws(const char* file, int line, void (*statement)(void*), void* context, const char* part);

}  // namespace gatework::test

#define TEST(name)                                              \
  static void name();                                           \
  static ::gatework::test::Test name##_entry(#name, name);      \
  static void name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) ::gatework::test::fail(__FILE__, __LINE__, #condition);   \
  } while (false)

#define CHECK_NEAR(got, want, tolerance)                                                        \
  do {                                                                                          \
    const double got_ = (got), want_ = (want), tolerance_ = (tolerance);                        \
    const double error_ = got_ > want_ ? got_ - want_ : want_ - got_;                           \
    if (!(got_ == want_ || error_ <= tolerance_)) {                                             \
      ::gatework::test::fail_near(__FILE__, __LINE__, #got, got_, want_, tolerance_);           \
    }                                                                                           \
  } while (false)

#define CHECK_THROWS(statement, part)                                                     \
  do {                                                                                    \
    auto run_ = [&] { statement; };                                                       \
    ::gatework::test::check_throws(                                                       \
        __FILE__, __LINE__, [](void* f) { (*static_cast<decltype(run_)*>(f))(); }, &run_, \
        part);                                                                            \
  } while (false)
