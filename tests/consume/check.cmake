# cmake -DBUILD=<rodgrad's build folder> -DWORK=<scratch folder> -DCC=<compiler> -DIO=<ON|OFF> -P check.cmake
#
# Installs rodgrad into WORK, moves the install tree away from where it was installed, and builds
# consume.c against it by find_package and by pkg-config; core/consume_core.c and fit/consume_fit.c against the parts of
# it; with IO, io/consume_io.c against librodgrad_io as well. Then configures, builds and installs librodgrad_core alone,
# where there are no LAPACKE and no pkg-config, and builds core/consume_core.c against that.
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
function(check_installed prefix pattern)
    file(GLOB_RECURSE installed RELATIVE ${prefix} ${prefix}/*)
    foreach(path IN LISTS installed)
        if(NOT path MATCHES "^(${pattern})$")
            message(FATAL_ERROR "${path} is installed and should not be.")
        endif()
    endforeach()
endfunction()
check_installed(${WORK}/prefix "bin/rodgrad|share/(doc|man|bash-completion)/.*|include/rodgrad/[a-z_]+\\.h|lib.*/librodgrad(_core|_fit|_io)?\\.a|lib.*/pkgconfig/rodgrad(_core|_fit|_io)?\\.pc|lib.*/cmake/rodgrad/[A-Za-z-]+\\.cmake")

file(GLOB_RECURSE pc ${WORK}/prefix/rodgrad.pc)
get_filename_component(pc_dir ${pc} DIRECTORY)
set(ENV{PKG_CONFIG_PATH} ${pc_dir})

# check(<name> <folder> <package> [<argument>...]): <folder>/<name>.c by find_package, with the options in CMAKE_OPTIONS,
# and by <package>.pc, run
function(check name folder package)
    set(source ${CMAKE_CURRENT_LIST_DIR}/${folder})
    file(REMOVE_RECURSE ${WORK}/cmake_${name})
    run(${CMAKE_COMMAND} -S ${source} -B ${WORK}/cmake_${name} -DCMAKE_C_COMPILER=${CC}
        -DCMAKE_PREFIX_PATH=${WORK}/prefix ${CMAKE_OPTIONS})
    run(${CMAKE_COMMAND} --build ${WORK}/cmake_${name})
    run(${WORK}/cmake_${name}/${name} ${ARGN})
    message("find_package: ${output}")

    run(pkg-config --static --cflags --libs ${package})
    separate_arguments(flags UNIX_COMMAND "${output}")
    run(${CC} -std=c17 -Wall -Wextra -Werror ${source}/${name}.c -o ${WORK}/${name} ${flags})
    run(${WORK}/${name} ${ARGN})
    message("pkg-config: ${output}")
endfunction()
check(consume . rodgrad)
check(consume_fit fit rodgrad_fit)

# the core where there is no LAPACK, and by plain options
set(CMAKE_OPTIONS -DCMAKE_DISABLE_FIND_PACKAGE_LAPACKE=ON)
check(consume_core core rodgrad_core)
unset(CMAKE_OPTIONS)
# check_plain(<prefix> <option>...): by the linker's options that the README names
function(check_plain prefix)
    file(GLOB_RECURSE core ${prefix}/librodgrad_core.a)
    get_filename_component(lib_dir ${core} DIRECTORY)
    run(${CC} -std=c17 ${CMAKE_CURRENT_LIST_DIR}/core/consume_core.c -I${prefix}/include -o ${WORK}/plain_core
        -L${lib_dir} ${ARGN})
    run(${WORK}/plain_core)
    message("${ARGN}: ${output}")
    set(core ${core} PARENT_SCOPE)
endfunction()
check_plain(${WORK}/prefix -lrodgrad_core -lm)
run(nm --undefined-only ${core})
string(REGEX MATCHALL "(GOMP_|__kmpc_|omp_|LAPACKE_|cblas_|nlopt_|rg_fit_|rgi_fit_)[A-Za-z_0-9]*" others "${output}")
if(others)
    message(FATAL_ERROR "librodgrad_core.a needs ${others}.")
endif()
if(IO)
    check(consume_io io rodgrad_io ${WORK})
endif()

# check_headers(<prefix>): all of them in C++, where there is a compiler for it
find_program(CXX NAMES c++ g++ clang++)
function(check_headers prefix)
    if(CXX)
        file(GLOB headers RELATIVE ${prefix}/include ${prefix}/include/rodgrad/*.h)
        list(TRANSFORM headers REPLACE "(.+)" "#include <\\1>\n")
        file(WRITE ${WORK}/headers.cpp ${headers})
        run(${CXX} -std=c++11 -Wall -Wextra -Werror -fsyntax-only -I${prefix}/include ${WORK}/headers.cpp)
    endif()
endfunction()
check_headers(${WORK}/prefix)

# ---- librodgrad_core alone ----

set(core_only ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR}/../.. -B ${WORK}/core_only -DCMAKE_C_COMPILER=${CC}
    -DCMAKE_DISABLE_FIND_PACKAGE_LAPACKE=ON -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -DRODGRAD_CUDA=OFF)
# refused(<command>...): fails, and says all of WORDS
function(refused)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    string(REGEX REPLACE "[ \n]+" " " output "${output}")
    foreach(word IN LISTS WORDS)
        if(result EQUAL 0 OR NOT output MATCHES "${word}")
            message(FATAL_ERROR "This should have failed and said \"${word}\": ${ARGN}\n${output}")
        endif()
    endforeach()
endfunction()
set(WORDS "LAPACKE and a BLAS with CBLAS were not found" liblapacke-dev RODGRAD_FIT=OFF)
refused(${core_only})

# of one instruction set and not optimised, which takes seconds instead of minutes
run(${core_only} -DRODGRAD_FIT=OFF -DRODGRAD_SHARED=ON -DRODGRAD_ISAS=scalar -DCMAKE_BUILD_TYPE=Debug
    -DCMAKE_C_FLAGS_DEBUG=-O0)
run(${CMAKE_COMMAND} --build ${WORK}/core_only)
file(REMOVE_RECURSE ${WORK}/prefix)
run(${CMAKE_COMMAND} --install ${WORK}/core_only --prefix ${WORK}/prefix)
run(${CMAKE_COMMAND} --install ${WORK}/core_only --prefix ${WORK}/prefix --component shared)
check_installed(${WORK}/prefix "share/doc/.*|include/rodgrad/(batch|batch_float|context|executor|field|layout|model|recording|rollout|section|status|version)\\.h|lib.*/librodgrad_core\\.(a|so\\.[0-9.]+)|lib.*/pkgconfig/rodgrad_core\\.pc|lib.*/cmake/rodgrad/rodgrad(Config|ConfigVersion|CoreTargets|CoreTargets-debug)\\.cmake")
check_headers(${WORK}/prefix)
set(CMAKE_OPTIONS -DCMAKE_DISABLE_FIND_PACKAGE_LAPACKE=ON)
check(consume_core core rodgrad_core)
check_plain(${WORK}/prefix -lrodgrad_core -lm -ldl -lpthread)
set(WORDS "built with RODGRAD_FIT=OFF")
refused(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/cmake_refused -DCMAKE_C_COMPILER=${CC}
        -DCMAKE_PREFIX_PATH=${WORK}/prefix)
