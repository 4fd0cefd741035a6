# The CUDA backend: what it is built with, and the objects made of kernels/cuda/*.cu.
#
# After include(): RODGRAD_WITH_CUDA, and with it RODGRAD_CUDA_TOOLKIT (version) and RODGRAD_CUDA_TARGETS
# (compute capabilities, "75 80 90"). cuBLAS and cuSOLVER are loaded at run time, by the first fit on a GPU
# (kernels/cuda/libraries.h): linked, they would cost every start of the program some 80 ms.
set(RODGRAD_CUDA AUTO CACHE STRING "build the CUDA backend: AUTO (where nvcc is found), ON or OFF")
set_property(CACHE RODGRAD_CUDA PROPERTY STRINGS AUTO ON OFF)
set(RODGRAD_CUDA_ARCHS "" CACHE STRING
    "compute capabilities to build for, such as 80;90; empty: all that the toolkit knows")
set(RODGRAD_WITH_CUDA OFF)

# rodgrad_cuda_missing(<variable>): what stands against the backend, in words; empty when nothing does
function(rodgrad_cuda_missing variable)
    set(missing "")
    if(NOT CUDAToolkit_NVCC_EXECUTABLE)
        set(missing "nvcc was not found")
    elseif(CUDAToolkit_VERSION VERSION_LESS 12.8) # cudaStreamGetDevice
        set(missing "${CUDAToolkit_NVCC_EXECUTABLE} is of CUDA ${CUDAToolkit_VERSION}, older than 12.8")
    else()
        foreach(library IN ITEMS cudart_static cublas cusolver)
            if(NOT TARGET CUDA::${library})
                string(APPEND missing " ${library}")
            endif()
        endforeach()
        if(missing)
            set(missing "the toolkit of ${CUDAToolkit_NVCC_EXECUTABLE} comes without${missing}")
        endif()
    endif()
    set(${variable} "${missing}" PARENT_SCOPE)
endfunction()

# rodgrad_cuda_targets(<variable>): of every generation the first chip, whose machine code runs on the later
# ones too; or what RODGRAD_CUDA_ARCHS says. Ascending.
function(rodgrad_cuda_targets variable)
    execute_process(COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} --list-gpu-arch
                    OUTPUT_VARIABLE listed ERROR_VARIABLE listed RESULT_VARIABLE result)
    string(REGEX MATCHALL "compute_[0-9]+" known "${listed}")
    list(TRANSFORM known REPLACE "compute_" "")
    list(SORT known COMPARE NATURAL)
    if(NOT result EQUAL 0 OR NOT known)
        message(FATAL_ERROR "nvcc --list-gpu-arch failed: ${listed}")
    endif()
    set(targets "")
    if(RODGRAD_CUDA_ARCHS)
        string(REGEX REPLACE "[ ,]+" ";" targets "${RODGRAD_CUDA_ARCHS}")
        list(SORT targets COMPARE NATURAL)
        list(REMOVE_DUPLICATES targets)
        foreach(target IN LISTS targets)
            if(NOT target IN_LIST known)
                list(JOIN known ", " known)
                message(FATAL_ERROR "RODGRAD_CUDA_ARCHS names \"${target}\", which this nvcc does not know; "
                                    "it knows ${known}.")
            endif()
        endforeach()
    else()
        set(last "")
        foreach(target IN LISTS known)
            string(REGEX REPLACE ".$" "" generation ${target})
            if(NOT generation STREQUAL last)
                list(APPEND targets ${target})
                set(last ${generation})
            endif()
        endforeach()
    endif()
    set(${variable} ${targets} PARENT_SCOPE)
endfunction()

if(NOT RODGRAD_CUDA STREQUAL "AUTO" AND NOT RODGRAD_CUDA)
    message(STATUS "CUDA left out: RODGRAD_CUDA is ${RODGRAD_CUDA}")
    return()
endif()
find_package(CUDAToolkit QUIET)
rodgrad_cuda_missing(missing)
if(missing)
    if(RODGRAD_CUDA STREQUAL "AUTO")
        message(STATUS "CUDA left out: ${missing}")
        return()
    endif()
    message(FATAL_ERROR "RODGRAD_CUDA=${RODGRAD_CUDA}, but ${missing}. Install NVIDIA's CUDA toolkit 12.8 or "
                        "newer, name its folder in CUDAToolkit_ROOT, or set RODGRAD_CUDA=OFF.")
endif()
set(RODGRAD_WITH_CUDA ON)
set(RODGRAD_CUDA_TOOLKIT ${CUDAToolkit_VERSION})
rodgrad_cuda_targets(cuda_targets)
list(JOIN cuda_targets " " RODGRAD_CUDA_TARGETS)
message(STATUS "CUDA ${RODGRAD_CUDA_TOOLKIT}: code for compute capabilities ${RODGRAD_CUDA_TARGETS}")

# rodgrad_add_cuda(<target>): kernels/cuda/*.cu into a static library of C. Plain commands, not CMake's CUDA
# language: that would make C++ the language which every user of the library has to link with.
function(rodgrad_add_cuda target)
    # the host's compiler does not know nvcc's pragmas
    set(flags -std=c++17 -O3 --threads 4 -Xcompiler=-Wall,-Wextra,-Wno-unknown-pragmas
        -Xcompiler=-fPIC,-fno-exceptions,-fno-rtti
        -I${PROJECT_SOURCE_DIR}/include -I${PROJECT_SOURCE_DIR}/kernels
        "-DRODGRAD_CUDA_ARCHS=\"${RODGRAD_CUDA_TARGETS}\""
        "-DRODGRAD_CUDA_LIBRARIES=\"${CUDAToolkit_LIBRARY_DIR}\"")
    if(RODGRAD_WERROR)
        list(APPEND flags --Werror all-warnings)
    endif()
    foreach(capability IN LISTS cuda_targets)
        list(APPEND flags -gencode=arch=compute_${capability},code=sm_${capability})
        set(newest ${capability})
    endforeach()
    # for GPUs that are still to come
    list(APPEND flags -gencode=arch=compute_${newest},code=compute_${newest})

    set(folder ${PROJECT_BINARY_DIR}/cuda)
    file(MAKE_DIRECTORY ${folder})
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/cuda/*.cu)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        set(object ${folder}/${name}.o)
        add_custom_command(OUTPUT ${object} DEPENDS ${source} DEPFILE ${object}.d VERBATIM
            COMMAND ${CUDAToolkit_NVCC_EXECUTABLE} ${flags} -MD -MF ${object}.d
                    -c ${source} -o ${object}
            COMMENT "Compiling kernels/cuda/${name}.cu for ${RODGRAD_CUDA_TARGETS}")
        target_sources(${target} PRIVATE ${object})
        set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    endforeach()
    # the C++ library: nvcc's launches keep each kernel in a static variable, which it guards
    target_link_libraries(${target} PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS} stdc++)
endfunction()
