# Where nvcc is found, compile kernels/cuda/*.cu for the device, so that nothing gets into the
# kernel headers that a GPU cannot have. Nothing is linked, and no GPU is needed.
file(GLOB cuda_sources CONFIGURE_DEPENDS kernels/cuda/*.cu)
if(RODGRAD_CUDA_CHECK STREQUAL "OFF" OR NOT cuda_sources)
    message(STATUS "CUDA left out: the kernel headers are not compiled for the device")
    return()
endif()
find_program(RODGRAD_NVCC nvcc HINTS ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
mark_as_advanced(RODGRAD_NVCC)
if(NOT RODGRAD_NVCC)
    if(RODGRAD_CUDA_CHECK STREQUAL "AUTO")
        message(STATUS "CUDA left out: nvcc was not found")
        return()
    endif()
    message(FATAL_ERROR "RODGRAD_CUDA_CHECK=${RODGRAD_CUDA_CHECK} needs nvcc, which was not found; "
                        "add it to PATH or set RODGRAD_NVCC.")
endif()

# plain commands, not CMake's CUDA language: that would test-link against the CUDA runtime first
set(cuda_flags -std=c++17 -arch=sm_80 -O3 -fmad=false --Werror all-warnings
    -Xcompiler=-Wall,-Wextra -I${PROJECT_SOURCE_DIR}/include
    -I${PROJECT_SOURCE_DIR}/kernels)
set(cuda_objects "")
foreach(source IN LISTS cuda_sources)
    get_filename_component(name ${source} NAME_WE)
    set(object ${PROJECT_BINARY_DIR}/cuda_check/${name}.o)
    add_custom_command(OUTPUT ${object} DEPENDS ${source} DEPFILE ${object}.d VERBATIM
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/cuda_check
        COMMAND ${RODGRAD_NVCC} ${cuda_flags} -MD -MF ${object}.d -c ${source} -o ${object}
        COMMENT "Compiling kernels/cuda/${name}.cu for the device")
    list(APPEND cuda_objects ${object})
endforeach()
add_custom_target(rodgrad_cuda_check ALL DEPENDS ${cuda_objects})
message(STATUS "CUDA: the kernel headers are compiled for the device with ${RODGRAD_NVCC}")
