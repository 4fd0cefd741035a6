# What every target of this project is compiled with, and the objects made of kernels/cpu/pack.c.

if(RODGRAD_SANITIZE)
    add_compile_options(-fsanitize=${RODGRAD_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${RODGRAD_SANITIZE})
endif()
if(RODGRAD_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "RODGRAD_FUZZ needs clang (libFuzzer); set CMAKE_C_COMPILER=clang.")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# rodgrad_configure_target(<target>): language, warnings and include folders, kept out of the export
function(rodgrad_configure_target target)
    set_target_properties(${target} PROPERTIES C_STANDARD 17 C_STANDARD_REQUIRED ON
                          C_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
    target_compile_definitions(${target} PRIVATE _DEFAULT_SOURCE)
    target_compile_options(${target} PRIVATE
        -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wcast-qual -Wmissing-prototypes
        -Wstrict-prototypes -fno-math-errno $<$<BOOL:${RODGRAD_WERROR}>:-Werror>)
    target_include_directories(${target} PRIVATE
        ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/host ${PROJECT_SOURCE_DIR}/kernels)
endfunction()

# rodgrad_add_library(<target> <source>...): a static library with the public headers
function(rodgrad_add_library target)
    add_library(${target} STATIC ${ARGN})
    rodgrad_configure_target(${target})
    set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
    target_compile_options(${target} PRIVATE -ffp-contract=off)
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
        $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

# rodgrad_add_isa(<isa> <lanes> [<compiler option>...]): pack.c for one instruction set, with so many doubles or twice as
# many floats to a pack, where RODGRAD_ISAS wants it; then it is in the list isas. The compiler contracts nothing: the source says what is fused where
# the instruction set can (rg_fma), so that results differ between fused and other instruction sets, never between runs on
# one.
function(rodgrad_add_isa isa lanes)
    if(RODGRAD_ISAS AND NOT isa IN_LIST RODGRAD_ISAS AND NOT isa STREQUAL "scalar")
        return()
    endif()
    set(double RGI_REAL_DOUBLE)
    set(float RGI_REAL_FLOAT)
    if(lanes GREATER 1)
        math(EXPR floats "2 * ${lanes}")
        set(double RGI_REAL_PACK=${lanes})
        set(float RGI_REAL_PACK=${floats} RGI_REAL_FLOAT)
    endif()
    rodgrad_add_pack(${isa} DEFINITIONS ${double} OPTIONS ${ARGN})
    rodgrad_add_pack(${isa}_float DEFINITIONS ${float} OPTIONS ${ARGN})
    set(isas ${isas} ${isa} PARENT_SCOPE)
endfunction()

# rodgrad_set_isas(): after all of them, in every folder that compiles dispatch.c
function(rodgrad_set_isas)
    list(TRANSFORM isas PREPEND RGI_HAS_ OUTPUT_VARIABLE definitions)
    set_source_files_properties(${PROJECT_SOURCE_DIR}/kernels/cpu/dispatch.c PROPERTIES
                                COMPILE_DEFINITIONS "${definitions}")
endfunction()

# rodgrad_add_pack(<name> DEFINITIONS ... [OPTIONS ...]): the objects of one instruction set and real, added to the
# libraries
function(rodgrad_add_pack name)
    cmake_parse_arguments(pack "" "" "DEFINITIONS;OPTIONS" ${ARGN})
    set(target rodgrad_pack_${name})
    add_library(${target} OBJECT ${PROJECT_SOURCE_DIR}/kernels/cpu/pack.c)
    rodgrad_configure_target(${target})
    target_compile_definitions(${target} PRIVATE RGI_PACK_ISA=${name} ${pack_DEFINITIONS})
    target_compile_options(${target} PRIVATE -Wno-psabi -ffp-contract=off ${pack_OPTIONS})
    target_sources(rodgrad_core PRIVATE $<TARGET_OBJECTS:${target}>)
    if(TARGET rodgrad)
        target_sources(rodgrad PRIVATE $<TARGET_OBJECTS:${target}>)
    endif()
endfunction()

# rodgrad_add_shared(<library>): lib<library>.so, all of the static library with the names rg_* alone to be seen. Its
# SOVERSION is the minor version, within which binaries stay compatible. It is never unloaded: fork() calls its handler.
function(rodgrad_add_shared library)
    set(names ${PROJECT_SOURCE_DIR}/cmake/rodgrad.map)
    add_library(rodgrad_shared SHARED ${PROJECT_SOURCE_DIR}/include/rodgrad/version.h)
    # its objects by the first, what they need by the second
    target_link_libraries(rodgrad_shared PRIVATE
        -Wl,--whole-archive,$<TARGET_FILE:${library}>,--no-whole-archive ${library})
    target_link_options(rodgrad_shared PRIVATE LINKER:--version-script=${names} LINKER:--no-undefined
                        LINKER:-z,nodelete)
    set_target_properties(rodgrad_shared PROPERTIES
        OUTPUT_NAME ${library} LINKER_LANGUAGE C LINK_DEPENDS ${names} VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
endfunction()

# rodgrad_embed(<variable> <file>...): generated/report_assets.{c,h} with the files' bytes; the path
# of the source is left in <variable> (see cmake/embed.cmake)
function(rodgrad_embed variable)
    set(output ${PROJECT_BINARY_DIR}/generated/report_assets.c)
    list(JOIN ARGN "|" inputs)
    add_custom_command(OUTPUT ${output} ${PROJECT_BINARY_DIR}/generated/report_assets.h VERBATIM
        COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DINPUTS=${inputs}
                -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${ARGN} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
        COMMENT "Embedding the report's page")
    set(${variable} ${output} PARENT_SCOPE)
endfunction()
