# Install rules: libraries and public headers, package files for find_package and pkg-config; documents, man page and
# completion.
include(CMakePackageConfigHelpers)

# what the program says of itself makes its man page; a sanitizer's program need not run where it is built
if(TARGET rodgrad_program AND NOT CMAKE_CROSSCOMPILING AND NOT RODGRAD_SANITIZE AND NOT RODGRAD_FUZZ)
    set(RODGRAD_MAN_PAGE ${PROJECT_BINARY_DIR}/rodgrad.1)
    set(man_sources ${PROJECT_SOURCE_DIR}/cmake/man.cmake ${PROJECT_SOURCE_DIR}/cmake/rodgrad.1.in)
    add_custom_command(OUTPUT ${RODGRAD_MAN_PAGE} DEPENDS rodgrad_program ${man_sources} VERBATIM
        COMMAND ${CMAKE_COMMAND} -DPROGRAM=$<TARGET_FILE:rodgrad_program> -DVERSION=${PROJECT_VERSION}
                -DTEMPLATE=${PROJECT_SOURCE_DIR}/cmake/rodgrad.1.in -DOUTPUT=${RODGRAD_MAN_PAGE}
                -P ${PROJECT_SOURCE_DIR}/cmake/man.cmake
        COMMENT "Making the man page")
    add_custom_target(rodgrad_man ALL DEPENDS ${RODGRAD_MAN_PAGE})
    install(FILES ${RODGRAD_MAN_PAGE} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
if(TARGET rodgrad_program)
    install(FILES cmake/completion.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
            RENAME rodgrad)
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rodgrad)
file(RELATIVE_PATH RODGRAD_PREFIX_FROM_PC /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" RODGRAD_PREFIX_FROM_PC "${RODGRAD_PREFIX_FROM_PC}")
write_basic_package_version_file(rodgradConfigVersion.cmake COMPATIBILITY SameMinorVersion)

# an archive's library needs nothing that its users would have to find
if(RODGRAD_BUNDLE)
    install(FILES ${PROJECT_BINARY_DIR}/bundle/librodgrad.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(TARGETS rodgrad_shared LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_SKIP)
    install(DIRECTORY include/rodgrad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h
            PATTERN io.h EXCLUDE PATTERN study.h EXCLUDE)
    configure_package_config_file(cmake/bundle/rodgradConfig.cmake.in rodgradConfig.cmake
                                  INSTALL_DESTINATION ${package_dir})
    configure_file(cmake/bundle/rodgrad.pc.in rodgrad.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/rodgradConfig.cmake ${PROJECT_BINARY_DIR}/rodgradConfigVersion.cmake
            DESTINATION ${package_dir})
    install(FILES ${PROJECT_BINARY_DIR}/rodgrad.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    return()
endif()

# the documents and the plots that they show, with the folders that their links name; an archive has them at its top
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(DIRECTORY docs DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN *.md PATTERN *.svg)

# an export for each set of libraries that others can be without: core; fit; rodgrad, which is both
set(packages rodgrad_core)
set(not_installed PATTERN io.h EXCLUDE PATTERN study.h EXCLUDE)
if(RODGRAD_FIT)
    list(APPEND packages rodgrad_fit rodgrad)
else()
    list(APPEND not_installed PATTERN fit.h EXCLUDE PATTERN rodgrad.h EXCLUDE)
endif()
set(rodgrad_core_targets rodgradCoreTargets)
set(rodgrad_fit_targets rodgradFitTargets)
set(rodgrad_targets rodgradTargets)
foreach(package IN LISTS packages)
    install(TARGETS ${package} EXPORT ${package} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(EXPORT ${package} FILE ${${package}_targets}.cmake NAMESPACE rodgrad:: DESTINATION ${package_dir})
endforeach()
install(DIRECTORY include/rodgrad DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN *.h ${not_installed})
# librodgrad_io, which a build without the program and an archive do not have
if(TARGET rodgrad_io)
    install(TARGETS rodgrad_io EXPORT rodgrad_io ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(FILES include/rodgrad/io.h include/rodgrad/study.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/rodgrad)
    install(EXPORT rodgrad_io FILE rodgradIoTargets.cmake NAMESPACE rodgrad:: DESTINATION ${package_dir})
    configure_file(cmake/rodgrad_io.pc.in rodgrad_io.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rodgrad_io.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
# by its soname, and only when asked for (cmake --install <build> --component shared): a librodgrad.so next to
# the archive would change what -lrodgrad links
if(RODGRAD_SHARED)
    install(TARGETS rodgrad_shared COMPONENT shared EXCLUDE_FROM_ALL
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} NAMELINK_SKIP)
endif()
configure_package_config_file(cmake/rodgradConfig.cmake.in rodgradConfig.cmake
                              INSTALL_DESTINATION ${package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rodgradConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/rodgradConfigVersion.cmake
        DESTINATION ${package_dir})

# a static archive names nothing it needs: list what was found, for pkg-config --static.
# rodgrad_private_libs(<variable> <library>...): as options of the linker
function(rodgrad_private_libs variable)
    set(options "")
    foreach(library IN LISTS ARGN)
        if(IS_ABSOLUTE "${library}")
            get_filename_component(folder "${library}" DIRECTORY)
            get_filename_component(base "${library}" NAME_WE)
            string(REGEX REPLACE "^lib" "" base "${base}")
            if(NOT folder IN_LIST CMAKE_C_IMPLICIT_LINK_DIRECTORIES)
                list(APPEND options -L${folder})
            endif()
            list(APPEND options -l${base})
        else()
            list(APPEND options -l${library})
        endif()
    endforeach()
    list(REMOVE_DUPLICATES options)
    list(JOIN options " " options)
    set(${variable} "${options}" PARENT_SCOPE)
endfunction()
rodgrad_private_libs(RODGRAD_CORE_LIBS_PRIVATE ${core_needs})
if(RODGRAD_FIT)
    install(FILES cmake/FindLAPACKE.cmake DESTINATION ${package_dir})
    rodgrad_private_libs(RODGRAD_FIT_LIBS_PRIVATE ${LAPACKE_LIBRARY} ${LAPACKE_BLAS_LIBRARIES} m)
    rodgrad_private_libs(RODGRAD_LIBS_PRIVATE ${LAPACKE_LIBRARY} ${LAPACKE_BLAS_LIBRARIES} ${core_needs})
endif()
foreach(package IN LISTS packages)
    configure_file(cmake/${package}.pc.in ${package}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${package}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
