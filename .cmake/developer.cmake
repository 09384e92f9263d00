# Our own programs: tests/, bench/, examples/. None of this reaches those who use the library.
if(NOT TARGET Eigen3::Eigen)
  message(FATAL_ERROR "Eigen is missing (Debian, Ubuntu: package libeigen3-dev).")
endif()
if(NOT vitrine_hosted_FOUND)
  message(FATAL_ERROR "vitrine's own programs need nlohmann-json and zlib "
                      "(Debian, Ubuntu: packages nlohmann-json3-dev and zlib1g-dev).")
endif()

# Everything of ours has the same warnings and is for this machine unless the caller chose another. vitrine_own: benchmarks, at
# -O3. vitrine_unit: tests and examples, whose time goes into compiling them: barely optimised, but what takes time when they
# run (kernels, layers) is compiled once, by the build type (.cmake/instances.hpp). CI's gcc-avx2 takes -O3 for all.
set(optimisation -O1)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(optimisation -Og)
endif()
set(VITRINE_TEST_OPTIMISATION ${optimisation} CACHE STRING "How tests and examples are optimised; kernels and layers are by the build type")
add_library(vitrine_common INTERFACE)
target_link_libraries(vitrine_common INTERFACE vitrine::hosted)
target_compile_options(vitrine_common INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow "$<$<BOOL:${VITRINE_WERROR}>:-Werror>")
add_library(vitrine_own INTERFACE)
target_link_libraries(vitrine_own INTERFACE vitrine_common)
add_library(vitrine_unit INTERFACE)
target_link_libraries(vitrine_unit INTERFACE vitrine_common)
# g++ 12 sees impossible sizes in inlined std::string code (GCC bugs 105651, 105329), which tests are full of, and
# uninitialised values inside AVX-512 intrinsics (105593), here in Eigen's reductions at -O1.
target_compile_options(vitrine_unit INTERFACE ${VITRINE_TEST_OPTIMISATION}
  "$<$<CXX_COMPILER_ID:GNU>:-Wno-restrict;-Wno-maybe-uninitialized;-Wno-uninitialized;-Wno-array-bounds;-Wno-stringop-overflow;-Wno-stringop-overread>")
# g++ collects its garbage only from 1 GB on: a tenth of the time, for some hundred MB more of the largest sources.
target_compile_options(vitrine_unit INTERFACE "$<$<CXX_COMPILER_ID:GNU>:SHELL:--param ggc-min-heapsize=1048576>")
if(VITRINE_NATIVE)
  target_link_libraries(vitrine_own INTERFACE vitrine::native)
  target_compile_options(vitrine_unit INTERFACE -march=native)
endif()

add_library(vitrine_instances STATIC .cmake/instances.cpp .cmake/json_instances.cpp)
target_link_libraries(vitrine_instances PRIVATE vitrine_own)
set_source_files_properties(.cmake/json_instances.cpp PROPERTIES COMPILE_OPTIONS ${VITRINE_TEST_OPTIMISATION})
set_target_properties(vitrine_instances PROPERTIES CXX_EXTENSIONS OFF)

# utf8proc and PCRE2, for text/tokenizer.hpp: programs that include it are left out when one is missing.
set(text_libraries)
foreach(library IN ITEMS utf8proc:utf8proc.h:utf8proc pcre2:pcre2.h:pcre2-8)
  string(REPLACE ":" ";" library "${library}")
  list(GET library 0 name)
  list(GET library 1 header)
  list(GET library 2 file)
  string(TOUPPER "VITRINE_${name}" prefix)
  find_path(${prefix}_INCLUDE_DIR ${header})
  find_library(${prefix}_LIBRARY ${file})
  mark_as_advanced(${prefix}_INCLUDE_DIR ${prefix}_LIBRARY)
  if(${prefix}_INCLUDE_DIR AND ${prefix}_LIBRARY)
    target_link_libraries(vitrine_common INTERFACE "${${prefix}_LIBRARY}")
    target_include_directories(vitrine_common SYSTEM INTERFACE "${${prefix}_INCLUDE_DIR}")
    list(APPEND text_libraries ${name})
  endif()
endforeach()
list(LENGTH text_libraries text_library_count)

# Zstandard, for corpus/input_file.hpp: without it .zst files are refused with a sentence.
find_path(VITRINE_ZSTD_INCLUDE_DIR zstd.h)
find_library(VITRINE_ZSTD_LIBRARY zstd)
mark_as_advanced(VITRINE_ZSTD_INCLUDE_DIR VITRINE_ZSTD_LIBRARY)
if(VITRINE_ZSTD_INCLUDE_DIR AND VITRINE_ZSTD_LIBRARY)
  target_link_libraries(vitrine_common INTERFACE "${VITRINE_ZSTD_LIBRARY}")
  target_include_directories(vitrine_common SYSTEM INTERFACE "${VITRINE_ZSTD_INCLUDE_DIR}")
  target_compile_definitions(vitrine_common INTERFACE VITRINE_ZSTD=1)
endif()

# SentencePiece, for text/detail/marian_codec.hpp: without it programs read MarianMT's text as ids only.
find_path(VITRINE_SENTENCEPIECE_INCLUDE_DIR sentencepiece_processor.h)
find_library(VITRINE_SENTENCEPIECE_LIBRARY sentencepiece)
mark_as_advanced(VITRINE_SENTENCEPIECE_INCLUDE_DIR VITRINE_SENTENCEPIECE_LIBRARY)
if(VITRINE_SENTENCEPIECE_INCLUDE_DIR AND VITRINE_SENTENCEPIECE_LIBRARY)
  target_link_libraries(vitrine_unit INTERFACE "${VITRINE_SENTENCEPIECE_LIBRARY}")
  target_include_directories(vitrine_unit SYSTEM INTERFACE "${VITRINE_SENTENCEPIECE_INCLUDE_DIR}")
  target_compile_definitions(vitrine_unit INTERFACE VITRINE_SENTENCEPIECE=1)
endif()

# What programs and tests that read files include is compiled once for all of them.
if(CMAKE_CXX_FLAGS MATCHES "-fcoverage-mapping")
  set(CMAKE_PCH_PROLOGUE "")  # CMake would make them system headers, of which clang counts nothing
endif()
add_library(vitrine_precompiled OBJECT tests/precompiled.cpp)
target_link_libraries(vitrine_precompiled PUBLIC vitrine_unit)
set_target_properties(vitrine_precompiled PROPERTIES CXX_EXTENSIONS OFF)
target_precompile_headers(vitrine_precompiled PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/.cmake/instances.hpp"
                          "${CMAKE_CURRENT_SOURCE_DIR}/.cmake/json_instances.hpp" <vitrine/generate/generate.hpp>
                          <vitrine/inspect/export.hpp> <vitrine/io/checkpoint.hpp> <vitrine/io/npz.hpp>)

# One program from one source, NAME.cpp, in the present folder of the build.
function(vitrine_program source)
  cmake_path(GET source STEM name)
  file(STRINGS "${source}" needs_text REGEX "vitrine/text/(tokenizer|wordpiece)[.]hpp")
  if(needs_text AND NOT text_library_count EQUAL 2)
    message(STATUS "vitrine: utf8proc or PCRE2 is missing (Debian, Ubuntu: packages libutf8proc-dev, libpcre2-dev), "
                   "so ${name} is not built")
    return()
  endif()
  add_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
  if(source MATCHES "/bench/" OR name STREQUAL "exhaustive")
    target_link_libraries(${name} PRIVATE vitrine_own ${ARGN})
  else()
    target_link_libraries(${name} PRIVATE vitrine_unit vitrine_instances ${ARGN})
    target_precompile_headers(${name} REUSE_FROM vitrine_precompiled)
  endif()
endfunction()

# The guide and the API reference: build/docs/index.html.
add_custom_target(docs COMMAND bash "${CMAKE_CURRENT_LIST_DIR}/docs.sh" VERBATIM)

enable_testing()
foreach(folder IN ITEMS tests examples bench)
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
    add_subdirectory(${folder})
  endif()
endforeach()

# What tests/run.sh builds.
add_custom_target(everything_but_bench)
foreach(folder IN ITEMS tests examples)
  get_property(folders DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/${folder}" PROPERTY SUBDIRECTORIES)
  foreach(directory IN LISTS folders ITEMS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}")
    get_property(targets DIRECTORY "${directory}" PROPERTY BUILDSYSTEM_TARGETS)
    foreach(target IN LISTS targets)
      get_target_property(excluded ${target} EXCLUDE_FROM_ALL)
      get_target_property(type ${target} TYPE)
      if(NOT excluded AND type STREQUAL "EXECUTABLE")
        add_dependencies(everything_but_bench ${target})
      endif()
    endforeach()
  endforeach()
endforeach()
