# Fails where an object of kernels defines a weak symbol outside namespace gatework::NAME.
#
# Of a weak symbol (an inline function, a template) the linker keeps any one copy.  Had the AVX-512
# object one of std::vector's, the whole module might run it, on processors without AVX-512 too.
#   cmake -DNM=nm -DNAME=avx512 -DOBJECTS=a.o;b.o -P symbols.cmake
execute_process(COMMAND ${NM} --demangle --defined-only ${OBJECTS}
  OUTPUT_VARIABLE listing RESULT_VARIABLE failed)
if(failed OR NOT listing)
  message(FATAL_ERROR "${NM} could not list ${OBJECTS}")
endif()
string(REPLACE ";" "," listing "${listing}")
string(REPLACE "[" "(" listing "${listing}")  # CMake's lists do not split inside brackets
string(REPLACE "]" ")" listing "${listing}")
string(REPLACE "\n" ";" lines "${listing}")
set(strangers "")
foreach(line IN LISTS lines)
  if(line MATCHES "^[0-9a-f]+ [VvWwu] (.*)$")
    set(symbol "${CMAKE_MATCH_1}")
    # A function template's name starts with the type it returns.
    if(NOT symbol MATCHES "^([a-z ]+ (for|variable for) |[^(<]* )?gatework::${NAME}::" AND NOT symbol MATCHES "^DW\\.ref\\.")
      string(APPEND strangers "\n  ${symbol}")
    endif()
  endif()
endforeach()
if(strangers)
  message(FATAL_ERROR "Weak symbols outside gatework::${NAME}, compiled with its flags:${strangers}")
endif()
