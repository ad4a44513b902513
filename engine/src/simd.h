// The vector type of the path that this file is being compiled for.
#pragma once

#ifndef GATEWORK_PATH
#error "compile with -DGATEWORK_PATH=<name of the path>"
#endif

#if defined(GATEWORK_SIMD_AVX512)
#include "simd/avx512.h"
#elif defined(GATEWORK_SIMD_AVX2)
#include "simd/avx2.h"
#elif defined(GATEWORK_SIMD_NEON)
#include "simd/neon.h"
#else
#include "simd/portable.h"
#endif

// Compiled once for each type, not into every cell that calls it: with 14 cells inlining these took minutes.
#define GW_ONCE __attribute__((noinline))
