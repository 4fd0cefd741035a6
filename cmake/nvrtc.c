/* cmake/nvrtc.c: a compiler of kernels out of NVRTC's library, for machines without nvcc.
 *
 *   rodgrad_nvrtc LIBNVRTC OUTPUT SOURCE [option of NVRTC]...
 *
 * OUTPUT ending in .ptx is text, otherwise machine code. NVRTC has no header of the system; what kernels include of
 * them is given here. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void *program;

static int (*create)(program *, const char *, const char *, int, const char *const *, const char *const *);
static int (*compile)(program, int, const char *const *);
static int (*log_size)(program, size_t *), (*get_log)(program, char *);
static int (*cubin_size)(program, size_t *), (*get_cubin)(program, char *);
static int (*ptx_size)(program, size_t *), (*get_ptx)(program, char *);
static const char *(*error_text)(int);

static int find(void *library, const char *name, void *function)
{
    void *found = dlsym(library, name);
    memcpy(function, &found, sizeof found);
    if (!found) fprintf(stderr, "rodgrad_nvrtc: the library has no %s; give NVRTC of CUDA 12 or newer\n", name);
    return found != NULL;
}

static int load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (!library) {
        fprintf(stderr, "rodgrad_nvrtc: %s\n", dlerror());
        return 0;
    }
    return find(library, "nvrtcCreateProgram", &create) && find(library, "nvrtcCompileProgram", &compile) &&
           find(library, "nvrtcGetProgramLogSize", &log_size) && find(library, "nvrtcGetProgramLog", &get_log) &&
           find(library, "nvrtcGetCUBINSize", &cubin_size) && find(library, "nvrtcGetCUBIN", &get_cubin) &&
           find(library, "nvrtcGetPTXSize", &ptx_size) && find(library, "nvrtcGetPTX", &get_ptx) &&
           find(library, "nvrtcGetErrorString", &error_text);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    long size = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *text = size >= 0 ? malloc((size_t)size + 1) : NULL;
    if (text && (fseek(file, 0, SEEK_SET) != 0 || fread(text, 1, (size_t)size, file) != (size_t)size)) {
        free(text);
        text = NULL;
    }
    if (text) text[size] = 0;
    if (file) fclose(file);
    if (!text) fprintf(stderr, "rodgrad_nvrtc: %s cannot be read\n", path);
    return text;
}

static int write_file(const char *path, const char *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    const int whole = file && fwrite(bytes, 1, size, file) == size;
    if ((!file || fclose(file) == 0) && whole) return 1;
    fprintf(stderr, "rodgrad_nvrtc: %s cannot be written\n", path);
    (void)remove(path);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"stddef.h", "math.h"};
    static const char *const headers[] = {
        "typedef decltype(sizeof 0) size_t;\ntypedef decltype((char *)0 - (char *)0) ptrdiff_t;\n", ""};
    program kernels = NULL;
    size_t size = 0;
    if (argc < 4) {
        fprintf(stderr, "usage: rodgrad_nvrtc LIBNVRTC OUTPUT SOURCE [option of NVRTC]...\n");
        return 2;
    }
    char *source = load(argv[1]) ? read_file(argv[3]) : NULL;
    if (!source) return 1;
    int failed = create(&kernels, source, argv[3], 2, headers, names);
    if (!failed) failed = compile(kernels, argc - 4, (const char *const *)argv + 4);
    if (kernels && log_size(kernels, &size) == 0 && size > 1) {
        char *text = malloc(size);
        if (text && get_log(kernels, text) == 0) fputs(text, stderr);
        free(text);
    }
    if (failed) {
        fprintf(stderr, "rodgrad_nvrtc: %s: %s\n", argv[3], error_text(failed));
        return 1;
    }
    const char *ending = strrchr(argv[2], '.');
    const int ptx = ending && strcmp(ending, ".ptx") == 0;
    failed = ptx ? ptx_size(kernels, &size) : cubin_size(kernels, &size);
    char *bytes = failed ? NULL : malloc(size + 1);
    if (!bytes || (ptx ? get_ptx(kernels, bytes) : get_cubin(kernels, bytes)) != 0) {
        fprintf(stderr, "rodgrad_nvrtc: %s was compiled, but its code cannot be had\n", argv[3]);
        return 1;
    }
    return write_file(argv[2], bytes, ptx ? size - 1 : size) ? 0 : 1;
}
