/* cuda/driver.c: finding the CUDA driver and its release (driver.h). */
#include "driver.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "dynamic.h"

/* written once, by load(), before anyone reads them */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static rgi_driver loaded;
static char failure[320];

static void load(void)
{
    const char *reason = NULL;
    void *library = rgi_library_open("libcuda.so.1", &reason);
    if (!library) {
        snprintf(failure, sizeof failure, "no NVIDIA driver is installed here, or none that this process can see (%s)",
                 reason ? reason : "libcuda.so.1 was not found");
        return;
    }
#define FIND(member, symbol, arguments)                                                                                \
    {                                                                                                                  \
        void *found = rgi_library_find(library, #symbol);                                                              \
        memcpy(&loaded.member, &found, sizeof found);                                                                  \
        if (!found && !*failure)                                                                                       \
            snprintf(failure, sizeof failure,                                                                          \
                     "the NVIDIA driver is too old: its libcuda.so.1 has no " #symbol "; update it");                  \
    }
    RGI_DRIVER_LIST(FIND)
#undef FIND
}

const rgi_driver *rgi_driver_load(const char **reason)
{
    if (pthread_once(&once, load) != 0) {
        if (reason) *reason = "the NVIDIA driver could not be looked for (pthread_once)";
        return NULL;
    }
    if (reason) *reason = *failure ? failure : NULL;
    return *failure ? NULL : &loaded;
}

const char *rgi_driver_error_name(const rgi_driver *driver, rgi_cu_result error)
{
    const char *text = NULL;
    return driver->error_name(error, &text) == 0 && text ? text : "unknown error";
}

const char *rgi_driver_error_text(const rgi_driver *driver, rgi_cu_result error)
{
    const char *text = NULL;
    return driver->error_string(error, &text) == 0 && text ? text : "the driver does not know this error";
}

int rgi_driver_needed(int cuda_version)
{
    /* "CUDA Compatibility", minor-version compatibility: code of CUDA 12.x runs from 525 on, of 13.x from 580 on */
    return cuda_version < 13000 ? 525 : 580;
}

/* "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun ...": the first word with two dots or digits and one
 */
static void release_of_kernel(char *text, size_t size)
{
    char line[256] = "";
    FILE *file = fopen("/proc/driver/nvidia/version", "r");
    if (!file) return;
    if (!fgets(line, sizeof line, file)) *line = 0;
    fclose(file);
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest))
        if (strspn(word, "0123456789.") == strlen(word) && strchr(word, '.')) {
            snprintf(text, size, "%s", word);
            return;
        }
}

void rgi_driver_release(char *text, size_t size)
{
    int (*nvml_init)(void) = NULL, (*nvml_release)(char *, unsigned) = NULL, (*nvml_end)(void) = NULL;
    if (size) *text = 0;
    void *library = rgi_library_open("libnvidia-ml.so.1", NULL);
    void *found[] = {rgi_library_find(library, "nvmlInit_v2"), rgi_library_find(library, "nvmlSystemGetDriverVersion"),
                     rgi_library_find(library, "nvmlShutdown")};
    memcpy(&nvml_init, &found[0], sizeof found[0]);
    memcpy(&nvml_release, &found[1], sizeof found[1]);
    memcpy(&nvml_end, &found[2], sizeof found[2]);
    if (nvml_init && nvml_release && nvml_end && nvml_init() == 0) {
        if (nvml_release(text, (unsigned)size) != 0 && size) *text = 0;
        (void)nvml_end();
    }
    if (size && !*text) release_of_kernel(text, size);
}
