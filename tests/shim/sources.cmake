# rodgrad_shim_sources(<folder> [<variant>...]): the kernels' modules as C++ for the shim, in <folder>: a source for each,
# whose list is left in kernel_sources, and tables of them, kernels.cpp for the shim's driver and images.c for the library
# (kernels/cuda/images.h). The library's own modules, and variants such as implicit_float_t16_r255.
function(rodgrad_shim_sources made)
    set(sources "")
    set(declared "")
    set(tables "")
    set(rows "")
    foreach(module IN ITEMS fields normal)
        file(GENERATE OUTPUT ${made}/${module}.cpp CONTENT "#include \"cuda/${module}.cu\"\n")
        list(APPEND sources ${made}/${module}.cpp)
        string(APPEND declared "extern const rgs_kernel rgs_kernels_${module}[];\n")
        string(APPEND tables "rgs_kernels_${module}, ")
        string(APPEND rows "{\"${module}\", 90, 0, image}, ")
    endforeach()
    set(modules implicit_float_t8_r255 implicit_double_t8_r255 deform_float_t8_r255 deform_double_t8_r255 ${ARGN})
    foreach(module IN LISTS modules)
        rodgrad_cuda_rollout(definitions ${module})
        set(text "")
        foreach(definition IN LISTS definitions)
            string(REPLACE "=" " " definition "${definition}")
            string(APPEND text "#define ${definition}\n")
        endforeach()
        file(GENERATE OUTPUT ${made}/rollout_${module}.cpp CONTENT "${text}#include \"cuda/rollout.cu\"\n")
        list(APPEND sources ${made}/rollout_${module}.cpp)
        string(APPEND declared "extern const rgs_kernel rgs_kernels_${module}[];\n")
        string(APPEND tables "rgs_kernels_${module}, ")
        string(APPEND rows "{\"rollout_${module}\", 90, 0, image}, ")
    endforeach()
    file(GENERATE OUTPUT ${made}/kernels.cpp CONTENT "#include \"kernels.h\"\n${declared}
const rgs_kernel *const rgs_modules[] = {${tables}nullptr};\n")
    file(GENERATE OUTPUT ${made}/images.c CONTENT "#include \"cuda/images.h\"
static const unsigned char image[] = \"shim\";
const rgi_image rgi_images[] = {${rows}};
const int rgi_images_count = sizeof rgi_images / sizeof *rgi_images;
const int rgi_images_cuda = 13000;
const char rgi_images_targets[] = \"90\";\n")
    set(kernel_sources ${sources} PARENT_SCOPE)
endfunction()
