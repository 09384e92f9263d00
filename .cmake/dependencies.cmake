# Finding what vitrine needs. The build and the installed package both include this file, so that both find the same things.

# Makes an imported target that find_package has just made here visible to whoever linked us from another folder.
macro(vitrine_make_global)
  foreach(vitrine_target IN ITEMS ${ARGN})
    if(TARGET ${vitrine_target} AND NOT "${vitrine_target}" IN_LIST vitrine_known_targets)
      get_target_property(vitrine_imported ${vitrine_target} IMPORTED)
      if(vitrine_imported)
        set_target_properties(${vitrine_target} PROPERTIES IMPORTED_GLOBAL TRUE)
      endif()
    endif()
  endforeach()
endmacro()

# Remembers which of these targets were there before we looked: those are not ours to change.
macro(vitrine_note_targets)
  set(vitrine_known_targets)
  foreach(vitrine_target IN ITEMS ${ARGN})
    if(TARGET ${vitrine_target})
      list(APPEND vitrine_known_targets ${vitrine_target})
    endif()
  endforeach()
endmacro()

# Eigen3::Eigen, from Eigen's own package or, where headers were only copied, from <Eigen/Core> or <eigen3/Eigen/Core>.
# Installing the headers needs no Eigen, so its absence is told by whoever compiles something.
macro(vitrine_find_eigen)
  vitrine_note_targets(Eigen3::Eigen)
  if(NOT TARGET Eigen3::Eigen)
    find_package(Eigen3 CONFIG QUIET)
  endif()
  if(NOT TARGET Eigen3::Eigen)
    find_path(VITRINE_EIGEN_INCLUDE_DIR Eigen/Core PATH_SUFFIXES eigen3
              DOC "The folder that holds Eigen/Core (Debian, Ubuntu: package libeigen3-dev)")
    mark_as_advanced(VITRINE_EIGEN_INCLUDE_DIR)
    if(VITRINE_EIGEN_INCLUDE_DIR)
      add_library(Eigen3::Eigen INTERFACE IMPORTED)
      set_target_properties(Eigen3::Eigen PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${VITRINE_EIGEN_INCLUDE_DIR}")
    endif()
  endif()
  vitrine_make_global(Eigen3::Eigen)
endmacro()

# nlohmann-json and zlib, for io/ and inspect/. vitrine_hosted_FOUND says whether both are there.
macro(vitrine_find_hosted)
  vitrine_note_targets(nlohmann_json::nlohmann_json ZLIB::ZLIB)
  if(NOT TARGET nlohmann_json::nlohmann_json)
    find_package(nlohmann_json CONFIG QUIET)
  endif()
  if(NOT TARGET ZLIB::ZLIB)
    find_package(ZLIB QUIET)
  endif()
  vitrine_make_global(nlohmann_json::nlohmann_json ZLIB::ZLIB)
  if(TARGET nlohmann_json::nlohmann_json AND TARGET ZLIB::ZLIB)
    set(vitrine_hosted_FOUND TRUE)
  else()
    set(vitrine_hosted_FOUND FALSE)
  endif()
endmacro()

# Looks for OpenMP as `choice` says: AUTO, ON, OFF, or ON and OFF as CMake spells them too (1, 0, yes, no, ...).
# vitrine_openmp_FOUND tells whether to link it.
macro(vitrine_find_openmp choice)
  string(TOUPPER "${choice}" vitrine_choice)
  if(NOT "${choice}" STREQUAL "AUTO" AND NOT vitrine_choice MATCHES "^(ON|OFF|1|0|TRUE|FALSE|YES|NO|Y|N)$")
    message(FATAL_ERROR "VITRINE_OPENMP is \"${choice}\"; it can be AUTO, ON or OFF.")
  endif()
  set(vitrine_openmp_FOUND FALSE)
  if("${choice}" STREQUAL "AUTO" OR "${choice}")
    vitrine_note_targets(OpenMP::OpenMP_CXX)
    find_package(OpenMP QUIET COMPONENTS CXX)
    vitrine_make_global(OpenMP::OpenMP_CXX)
    set(vitrine_openmp_FOUND "${OpenMP_CXX_FOUND}")
    if(NOT vitrine_openmp_FOUND AND NOT "${choice}" STREQUAL "AUTO")
      message(FATAL_ERROR "VITRINE_OPENMP is ${choice}, but ${CMAKE_CXX_COMPILER} has no OpenMP "
                          "(clang on Debian, Ubuntu: package libomp-dev). AUTO goes on without it.")
    endif()
  endif()
endmacro()
