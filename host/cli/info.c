/* cli/info.c: rodgrad info: what this build is and what this machine offers it. */
#include <errno.h>
#include <string.h>

#include "cli/build.h"
#include "cli/cli.h"
#include "core/context.h"
#include "cpu/dispatch.h"
#include "cuda/driver.h"
#include "cuda/images.h"
#include "io/libraries.h"
#include "rodgrad/version.h"
#include "threads/pool.h"

static json_t *isa_json(void)
{
    json_t *list = json_array();
    for (const char *const *name = rgi_cpu_isas; *name; name++)
        if (rgi_cpu_find(*name, RG_REAL_DOUBLE)) json_array_append_new(list, json_string(*name));
    return list;
}

/* rods side by side with the instructions chosen, by what they are computed in */
static json_t *lanes_json(void)
{
    json_t *lanes = json_object();
    for (rg_real real = RG_REAL_DOUBLE; real <= RG_REAL_FLOAT; real++)
        json_object_set_new(lanes, rg_real_name(real), json_integer(rgi_cpu_find(NULL, real)->lanes));
    return lanes;
}

/* the GPUs: what they are called here, and what they are */
static json_t *devices_json(int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++) {
        rgi_device_facts facts;
        char backend[24], compute[24];
        if (rgi_device_describe(i, &facts, NULL) != RG_OK) continue;
        snprintf(backend, sizeof backend, "cuda:%d", i);
        snprintf(compute, sizeof compute, "%d.%d", facts.compute / 10, facts.compute % 10);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:i, s:I}", "backend", backend, "name", facts.name,
                                              "compute_capability", compute, "multiprocessors", facts.multiprocessors,
                                              "memory_bytes", (json_int_t)facts.memory_bytes));
    }
    return list;
}

/* rgi_images_targets, "75 80 90", as a list */
static json_t *targets_json(void)
{
    json_t *list = json_array();
    for (const char *at = rgi_images_targets; *at;) {
        const size_t length = strcspn(at, " ");
        json_array_append_new(list, json_stringn(at, length));
        at += length + (at[length] == ' ');
    }
    return list;
}

static json_t *cuda_json(int count, const char *reason)
{
    char release[64], toolkit[24] = "";
    rgi_driver_release(release, sizeof release);
    if (rg_cuda_built())
        snprintf(toolkit, sizeof toolkit, "%d.%d", rgi_images_cuda / 1000, rgi_images_cuda % 1000 / 10);
    return json_pack("{s:b, s:s, s:o, s:s?, s:o, s:o, s:s?}", "built", rg_cuda_built(), "toolkit", toolkit, "targets",
                     targets_json(), "driver", *release ? release : NULL, "driver_needed",
                     rg_cuda_built() ? json_integer(rgi_driver_needed(rgi_images_cuda)) : json_null(), "devices",
                     devices_json(count), "no_device_because", reason);
}

static json_t *backends_json(int count)
{
    json_t *list = json_pack("[s]", "cpu");
    for (int i = 0; i < count; i++) json_array_append_new(list, json_sprintf("cuda:%d", i));
    return list;
}

static json_t *info_json(void)
{
    const char *reason = NULL;
    const int count = rg_cuda_device_count(&reason);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:i, s:i, s:o, s:o, s:o}", "version", rg_version(),
                     "compiler", RGC_COMPILER, "build_type", RODGRAD_BUILD_TYPE, "build_flags", RODGRAD_BUILD_FLAGS,
                     "sanitizers", RODGRAD_BUILD_SANITIZE, "isa_available", isa_json(), "isa", rg_cpu_isa(), "lanes",
                     lanes_json(), "processors", (int)rgi_pool_processors(), "threads", (int)rgi_pool_workers(),
                     "backends", backends_json(count), "cuda", cuda_json(count, reason), "libraries",
                     rgi_libraries_json());
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && *text ? text : "none";
}

static void print_backends(const json_t *info)
{
    const json_t *cuda = json_object_get(info, "cuda");
    const json_t *reason = json_object_get(cuda, "no_device_because");
    json_t *value;
    size_t i;
    printf("backends        ");
    json_array_foreach(json_object_get(info, "backends"), i, value) printf(" %s", json_string_value(value));
    printf("\ncuda             ");
    if (rg_cuda_built())
        printf("toolkit %s, code for compute capabilities %s\n                 driver %s; %lld or newer is needed\n",
               text_of(cuda, "toolkit"), rgi_images_targets, text_of(cuda, "driver"),
               (long long)json_integer_value(json_object_get(cuda, "driver_needed")));
    if (json_is_string(reason)) printf("%s%s\n", rg_cuda_built() ? "                 " : "", json_string_value(reason));
    json_array_foreach(json_object_get(cuda, "devices"), i, value)
        printf("  %-14s %s, compute capability %s, %lld multiprocessors, %.1f GB\n", text_of(value, "backend"),
               text_of(value, "name"), text_of(value, "compute_capability"),
               (long long)json_integer_value(json_object_get(value, "multiprocessors")),
               1e-9 * (double)json_integer_value(json_object_get(value, "memory_bytes")));
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
    json_array_foreach(json_object_get(info, "isa_available"), i, value) printf(" %s", json_string_value(value));
    printf("; chosen: %s\nrods side by side", text_of(info, "isa"));
    json_object_foreach(json_object_get(info, "lanes"), key, value)
        printf(" %lld in %s", (long long)json_integer_value(value), key);
    printf("\n");
    printf("threads          %zu of %zu processors\n", rgi_pool_workers(), rgi_pool_processors());
    print_backends(info);
    printf("libraries\n");
    json_object_foreach(json_object_get(info, "libraries"), key, value)
        printf("  %-14s %s\n", key, json_string_value(value));
}

int rgc_info(int argc, char **argv)
{
    rgc_common common;
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, "rodgrad info [--json]", NULL, 0, &common, &first, &last);
    if (code != RGC_DONE || common.help) return code;
    if (last > first)
        return rgc_complain("info", RGC_USAGE, "it takes no argument but --json, and \"%.100s\" was given.",
                            argv[first]);
    json_t *info = info_json();
    if (common.json) return rgc_print_json("info", info);
    if (info) print_text(info);
    json_decref(info);
    if (!info) return rgc_complain("info", RGC_FAILED, "no memory for the answer.");
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("info", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}
