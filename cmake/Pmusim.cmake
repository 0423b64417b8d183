# SPDX-License-Identifier: Apache-2.0
# Compiler settings, libraries and the two helpers every folder uses:
#   pmusim_library(NAME deps... [HOT] [ROOMS folders...])
#                                 a static library of all *.cpp in the current folder and its rooms; HOT: it runs for each
#                                 simulated instruction, so that sanitizer builds optimize it
#   pmusim_test(NAME deps... [ROOMS folders...])
#                                 a doctest executable of all *.cpp in the current folder and its rooms
set(CMAKE_CXX_STANDARD 17)  # Debian's SystemC 2.3.4 links only as C++17.
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo)
endif()

find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(zydis REQUIRED)
find_package(doctest REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Threads REQUIRED)
find_package(SystemCLanguage QUIET)
if(NOT TARGET SystemC::systemc)
  pkg_check_modules(systemc REQUIRED IMPORTED_TARGET systemc)
  add_library(pmusim_systemc INTERFACE)
  target_link_libraries(pmusim_systemc INTERFACE PkgConfig::systemc Threads::Threads)
else()
  add_library(pmusim_systemc INTERFACE)
  target_link_libraries(pmusim_systemc INTERFACE SystemC::systemc)
endif()
# sc_process.h of 2.3.4 uses the deprecated dynamic exception syntax and bind helpers.
target_compile_definitions(pmusim_systemc INTERFACE SC_INCLUDE_DYNAMIC_PROCESSES)

add_library(pmusim_options INTERFACE)
target_compile_options(pmusim_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual>)
if(PMUSIM_WERROR)
  target_compile_options(pmusim_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(PMUSIM_SANITIZE)
  # GCC 12 sees uninitialized variables in libstdc++'s <regex> where AddressSanitizer has changed the code.
  target_compile_options(pmusim_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
                              -Wno-maybe-uninitialized>)
  target_link_options(pmusim_options INTERFACE -fsanitize=address,undefined)
endif()
target_include_directories(pmusim_options INTERFACE ${CMAKE_SOURCE_DIR}/sim ${CMAKE_SOURCE_DIR})

# A third of most files' compile time goes into headers of the standard library. Precompiled they do not go together
# with a compiler cache that serves several clones, nor into `dev`, which shows that each file includes what it uses.
option(PMUSIM_PCH "Precompile the headers that nearly every file includes" OFF)
function(pmusim_precompiled target)  # shared by all targets with the same compiler flags
  file(WRITE ${CMAKE_BINARY_DIR}/${target}.cpp "")
  add_library(${target} STATIC ${CMAKE_BINARY_DIR}/${target}.cpp)
  target_link_libraries(${target} PRIVATE pmusim_options)
  target_precompile_headers(${target} PRIVATE <algorithm> <array> <functional> <map> <memory> <optional> <stdexcept>
                                              <string> <vector> <fmt/format.h>)
endfunction()
if(PMUSIM_PCH)
  target_link_libraries(pmusim_options INTERFACE fmt::fmt)  # its definitions are part of the flags
  pmusim_precompiled(pmusim_pch)
  if(PMUSIM_SANITIZE)
    pmusim_precompiled(pmusim_pch_hot)
    target_compile_options(pmusim_pch_hot PRIVATE -O1)
  endif()
endif()

function(pmusim_library name)
  cmake_parse_arguments(library "HOT" "" "ROOMS" ${ARGN})
  list(TRANSFORM library_ROOMS REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/\\1/*.cpp" OUTPUT_VARIABLE patterns)
  # A new file is built without a word in CMake: the folder says where it belongs.
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${patterns})
  if(sources)
    add_library(pmusim_${name} STATIC ${sources})
    target_link_libraries(pmusim_${name} PUBLIC pmusim_options ${library_UNPARSED_ARGUMENTS})
    set(pch pmusim_pch)
    if(PMUSIM_SANITIZE AND library_HOT)  # the rest takes longer to optimize than to run: see the preset
      target_compile_options(pmusim_${name} PRIVATE -O1)
      set(pch pmusim_pch_hot)
    endif()
    if(PMUSIM_PCH)
      target_precompile_headers(pmusim_${name} REUSE_FROM ${pch})
    endif()
  else()
    add_library(pmusim_${name} INTERFACE)
    target_link_libraries(pmusim_${name} INTERFACE pmusim_options ${library_UNPARSED_ARGUMENTS})
  endif()
endfunction()

# Of the tests of a folder that may skip: a message that says so comes before anything is checked.
set(PMUSIM_MAY_SKIP SKIP_REGULAR_EXPRESSION "MESSAGE: SKIPPED: ")
include(${doctest_DIR}/doctest.cmake)
# Tests take as long to compile as what they test; their own speed is nobody's.
function(pmusim_test_options target)
  if(NOT PMUSIM_SANITIZE)
    target_compile_options(${target} PRIVATE -O1 -g1)
  endif()
endfunction()
function(pmusim_test name)
  cmake_parse_arguments(test "" "" "ROOMS" ${ARGN})
  list(TRANSFORM test_ROOMS REPLACE "(.+)" "${CMAKE_CURRENT_SOURCE_DIR}/\\1/*.cpp" OUTPUT_VARIABLE patterns)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp ${patterns})
  if(sources)
    add_executable(test_${name} ${sources})
    target_link_libraries(test_${name} PRIVATE ${test_UNPARSED_ARGUMENTS} test_support)
    pmusim_test_options(test_${name})
    if(PMUSIM_PCH AND PMUSIM_SANITIZE)  # elsewhere tests have flags of their own
      target_precompile_headers(test_${name} REUSE_FROM pmusim_pch)
    endif()
    doctest_discover_tests(test_${name} TEST_PREFIX "${name}: " PROPERTIES ${PMUSIM_TEST_PROPERTIES})
  endif()
endfunction()
