# The table of paths, best first.  Each line gives the compiler its flags (-m<need> for each need on
# x86-64) and the run-time its questions (the same needs, asked of processor and operating system).
#
#   name      architecture  system   needs                                            description
set(GATEWORK_PATH_TABLE
  "avx512   | x86_64 | Linux | avx512f avx512bw avx512dq avx512vl avx2 fma f16c | AVX-512 (F, BW, DQ, VL) with FMA, 512 bits"
  "avx2     | x86_64 | any   | avx2 fma f16c                                    | AVX2 with FMA, 256 bits"
  "neon     | arm64  | any   | asimd                                            | NEON, 128 bits"
  "portable | any    | any   |                                                  | plain vectors of 128 bits, for any processor"
)

# For kernels only.  Not -ffast-math: NaN and infinity must travel.
set(GATEWORK_KERNEL_FLAGS -fno-math-errno -fno-trapping-math -ffp-contract=fast -fno-lto)

include(CheckCXXSourceCompiles)
function(gatework_find_architecture out)
  foreach(macro_and_name "__x86_64__ x86_64" "__aarch64__ arm64")
    string(REPLACE " " ";" pair "${macro_and_name}")
    list(GET pair 0 macro)
    list(GET pair 1 name)
    check_cxx_source_compiles("#ifndef ${macro}\n#error\n#endif\nint main() {}" GATEWORK_IS_${name})
    if(GATEWORK_IS_${name})
      set(${out} ${name} PARENT_SCOPE)
      return()
    endif()
  endforeach()
  set(${out} other PARENT_SCOPE)
endfunction()

# GATEWORK_PATHS: the names that are compiled; GATEWORK_FLAGS_<name>: how; generated/paths.inc: for cpu.cc.
gatework_find_architecture(GATEWORK_ARCHITECTURE)
set(GATEWORK_PATHS "")
set(lines "// Made by cmake/paths.cmake.\n")
foreach(row IN LISTS GATEWORK_PATH_TABLE)
  string(REGEX REPLACE " *\\| *" "|" row "${row}")
  string(REPLACE "|" ";" cells "${row}")
  list(GET cells 0 name)
  list(GET cells 1 architecture)
  list(GET cells 2 system)
  list(GET cells 3 needs)
  list(GET cells 4 description)
  if(NOT architecture MATCHES "^(any|${GATEWORK_ARCHITECTURE})$" OR NOT system MATCHES "^(any|${CMAKE_SYSTEM_NAME})$"
      OR (GATEWORK_ONLY AND NOT name IN_LIST GATEWORK_ONLY))
    string(APPEND lines "GATEWORK_ABSENT_PATH(${name}, \"${description}\")\n")
    continue()
  endif()
  list(APPEND GATEWORK_PATHS ${name})
  string(APPEND lines "GATEWORK_COMPILED_PATH(${name}, \"${description}\", \"${needs}\")\n")
  string(TOUPPER ${name} upper)
  set(GATEWORK_FLAGS_${name} ${GATEWORK_KERNEL_FLAGS} -DGATEWORK_PATH=${name} -DGATEWORK_SIMD_${upper})
  if(architecture STREQUAL "x86_64")
    string(REGEX REPLACE "([a-z0-9]+)" "-m\\1" flags "${needs}")
    string(REPLACE " " ";" flags "${flags}")
    list(APPEND GATEWORK_FLAGS_${name} ${flags})
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")  # false alarms inside GCC's own AVX-512 header (its bug 105593)
      list(APPEND GATEWORK_FLAGS_${name} -Wno-uninitialized -Wno-maybe-uninitialized)
    endif()
  endif()
endforeach()
file(CONFIGURE OUTPUT generated/paths.inc CONTENT "${lines}" @ONLY)
message(STATUS "Paths for ${GATEWORK_ARCHITECTURE}: ${GATEWORK_PATHS}")

# Compiles kernels.cc and dense.cc once per path into `library`.
function(gatework_add_kernels library)
  foreach(name IN LISTS GATEWORK_PATHS)
    add_library(gatework_kernels_${name} OBJECT src/kernels.cc src/dense.cc)
    target_include_directories(gatework_kernels_${name} PRIVATE include)
    target_compile_options(gatework_kernels_${name} PRIVATE ${GATEWORK_FLAGS_${name}})
    target_link_libraries(gatework_kernels_${name} PRIVATE gatework_options)
    target_sources(${library} PRIVATE $<TARGET_OBJECTS:gatework_kernels_${name}>)
  endforeach()
endfunction()
