# cmake -DBUILD=<rodgrad's build folder> -DWORK=<scratch folder> -DCC=<compiler> -P check.cmake
#
# Installs rodgrad into WORK, moves the install tree away from where it was installed, and builds
# consume.c against it by find_package and by pkg-config.
function(run)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output
                    ERROR_VARIABLE output OUTPUT_STRIP_TRAILING_WHITESPACE)
    if(NOT result EQUAL 0)
        list(JOIN ARGN " " command)
        message(FATAL_ERROR "This failed (${result}): ${command}\n${output}")
    endif()
    set(output "${output}" PARENT_SCOPE)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)

# nothing but the library, its public headers, its package files, the program and what describes it (install.sh)
file(GLOB_RECURSE installed RELATIVE ${WORK}/prefix ${WORK}/prefix/*)
foreach(path IN LISTS installed)
    if(NOT path MATCHES "^(bin/rodgrad|share/(doc|man|bash-completion)/.*|include/rodgrad/[a-z_]+\\.h|lib.*/librodgrad\\.a|lib.*/pkgconfig/rodgrad\\.pc|lib.*/cmake/rodgrad/[A-Za-z-]+\\.cmake)$")
        message(FATAL_ERROR "${path} is installed and should not be.")
    endif()
endforeach()

run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/cmake -DCMAKE_C_COMPILER=${CC}
    -DCMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/cmake)
run(${WORK}/cmake/consume)
message("find_package: ${output}")

file(GLOB_RECURSE pc ${WORK}/prefix/rodgrad.pc)
get_filename_component(pc_dir ${pc} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})
run(pkg-config --static --cflags --libs rodgrad)
separate_arguments(flags UNIX_COMMAND "${output}")
run(${CC} -std=c17 -Wall -Wextra -Werror ${CMAKE_CURRENT_LIST_DIR}/consume.c -o ${WORK}/consume ${flags})
run(${WORK}/consume)
message("pkg-config: ${output}")
