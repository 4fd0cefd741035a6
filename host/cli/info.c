/* cli/info.c: rodgrad info: what this build is and what this machine offers it. */
#include <errno.h>
#include <omp.h>
#include <string.h>

#include "cli/cli.h"
#include "io/libraries.h"
#include "rodgrad/version.h"

#define TEXT(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT(major) "." TEXT(minor) "." TEXT(patch)
#if defined(__clang__)
#define COMPILER "clang " VERSION_TEXT(__clang_major__, __clang_minor__, __clang_patchlevel__)
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

static int has_isa(const char *name)
{
#if defined(__x86_64__)
    if (strcmp(name, "sse2") == 0) return __builtin_cpu_supports("sse2") != 0;
    if (strcmp(name, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(name, "avx512") == 0)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vl");
#endif
    return strcmp(name, "scalar") == 0;
}

static json_t *isa_json(void)
{
    static const char *const names[] = {"scalar", "sse2", "avx2", "avx512"};
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (has_isa(names[i])) json_array_append_new(list, json_string(names[i]));
    return list;
}

static json_t *info_json(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:i, s:i, s:[s], s:b, s:o}",
                     "version", RODGRAD_VERSION, "compiler", COMPILER,
                     "build_type", RODGRAD_BUILD_TYPE, "build_flags", RODGRAD_BUILD_FLAGS,
                     "sanitizers", RODGRAD_BUILD_SANITIZE,
                     "isa_available", isa_json(), "isa", rg_cpu_isa(),
                     "processors", omp_get_num_procs(), "threads", omp_get_max_threads(),
                     "backends", "cpu", "cuda", 0, "libraries", rgi_libraries_json());
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : "none";
}

static void print_text(json_t *info)
{
    const char *key;
    json_t *value;
    size_t i;
    printf("rodgrad %s\n", text_of(info, "version"));
    printf("compiler         %s\n", text_of(info, "compiler"));
    printf("build            %s, flags: %s, sanitizers: %s\n", text_of(info, "build_type"),
           text_of(info, "build_flags"), text_of(info, "sanitizers"));
    printf("instruction sets");
    json_array_foreach(json_object_get(info, "isa_available"), i, value)
        printf(" %s", json_string_value(value));
    printf("; chosen: %s\n", text_of(info, "isa"));
    printf("threads          %d of %d processors\n", omp_get_max_threads(), omp_get_num_procs());
    printf("backends         cpu; this build has no CUDA backend\n");
    printf("libraries\n");
    json_object_foreach(json_object_get(info, "libraries"), key, value)
        printf("  %-14s %s\n", key, json_string_value(value));
}

int rgc_info(int argc, char **argv)
{
    int json = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = 1;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            printf("usage: rodgrad info [--json]\n");
            argc = 0;
        } else {
            return rgc_complain("info", RGC_USAGE,
                                "it takes no argument but --json, and \"%.100s\" was given.",
                                argv[i]);
        }
    }
    json_t *info = argc ? info_json() : NULL;
    if (json && argc) return rgc_print_json("info", info);
    if (info) print_text(info);
    json_decref(info);
    if (argc && !info) return rgc_complain("info", RGC_FAILED, "no memory for the answer.");
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("info", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}
