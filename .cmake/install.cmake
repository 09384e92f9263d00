# Headers, CMake package, pkg-config file. Everything is relative to the files themselves, so an installed tree can be moved.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

target_include_directories(vitrine INTERFACE "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
install(DIRECTORY include/vitrine TYPE INCLUDE FILES_MATCHING PATTERN "*.hpp")
install(TARGETS vitrine vitrine_native EXPORT vitrine-targets)

# Nothing in the package depends on the machine: it lies under share/.
set(vitrine_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/vitrine")
install(EXPORT vitrine-targets NAMESPACE vitrine:: DESTINATION "${vitrine_package_dir}")
configure_package_config_file(.cmake/vitrine-config.cmake.in "${CMAKE_CURRENT_BINARY_DIR}/vitrine-config.cmake"
                              INSTALL_DESTINATION "${vitrine_package_dir}")
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/vitrine-config-version.cmake"
                                 COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/vitrine-config.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/vitrine-config-version.cmake"
              .cmake/dependencies.cmake
        DESTINATION "${vitrine_package_dir}")

# Licence, pages, and the programs that are built, under names of their own.
install(FILES LICENSE README.md CHANGELOG.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(DIRECTORY examples/ DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples" FILES_MATCHING PATTERN "*.md" PATTERN "*.png" PATTERN "*.svg"
        PATTERN embedded/build EXCLUDE PATTERN models EXCLUDE)
install(PROGRAMS examples/slurm_array.sh DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
install(PROGRAMS examples/python/ray_score.py examples/python/to_safetensors.py DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples/python")
foreach(program IN ITEMS align choose generate inspect score_heads sentence_similarity translate)
  if(TARGET ${program})
    install(PROGRAMS "$<TARGET_FILE:${program}>" DESTINATION "${CMAKE_INSTALL_BINDIR}" RENAME "vitrine-${program}" OPTIONAL)
  endif()
endforeach()

# pkg-config knows no AUTO: the file carries OpenMP's flags when ON was asked for, and its refusal when OFF was.
set(vitrine_pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
file(RELATIVE_PATH VITRINE_PC_TO_PREFIX "/${vitrine_pc_dir}" "/")
string(REGEX REPLACE "/$" "" VITRINE_PC_TO_PREFIX "${VITRINE_PC_TO_PREFIX}")
set(VITRINE_PC_REQUIRES " eigen3")
if(VITRINE_EIGEN_INCLUDE_DIR)  # copied headers have no eigen3.pc, and the first header finds them itself
  set(VITRINE_PC_REQUIRES)
endif()
set(VITRINE_PC_OPENMP_CFLAGS)
set(VITRINE_PC_OPENMP_LIBS)
if(NOT VITRINE_OPENMP)
  set(VITRINE_PC_OPENMP_CFLAGS " -DVITRINE_OPENMP=0")
elseif(NOT VITRINE_OPENMP STREQUAL "AUTO")
  set(VITRINE_PC_OPENMP_CFLAGS " ${OpenMP_CXX_FLAGS}")
  set(VITRINE_PC_OPENMP_LIBS " ${OpenMP_CXX_FLAGS}")
endif()
configure_file(.cmake/vitrine.pc.in "${CMAKE_CURRENT_BINARY_DIR}/vitrine.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/vitrine.pc" DESTINATION "${vitrine_pc_dir}")
