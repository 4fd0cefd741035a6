/* fuzz_h5.c: any bytes as an HDF5 file: refused with a sentence that names the file, or recordings that are sound and
 * no larger than the file can hold. HDF5 may crash on them: it runs in another process, and that it crashed is such a
 * sentence. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/formats.h"
#include "io/recording_io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_h5: %s\n", what);
    abort();
}

static char path[64];

static void remove_file(void) { unlink(path); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static rgi_h5_reader reader;
    if (path[0] == '\0') {
        snprintf(path, sizeof path, "fuzz-%ld.h5", (long)getpid());
        atexit(remove_file);
    }
    FILE *file = fopen(path, "wb");
    require(file && fwrite(data, 1, size, file) == size && fclose(file) == 0, "the input cannot be written");
    rg_recording *all = NULL;
    size_t n = 0;
    rg_error err = {0};
    const rg_status status = rgi_h5_read(&reader, path, 0.0, &all, &n, &err);
    if (status != RG_OK) {
        require(!all && n == 0, "a refused file left something");
        require(err.status == status && strstr(err.text, path), "a refusal without a sentence");
        return 0;
    }
    require(n > 0, "no recording was accepted");
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &all[i];
        require(r->n_frames >= 2 && r->n_markers >= 3 && r->n_clamps < r->n_markers, "an impossible shape");
        require(r->n_frames * r->n_markers <= 86 * size, "a recording larger than its file");
        require(r->name && r->source && r->dt_s > 0.0 && isfinite(r->dt_s), "a recording without what it needs");
        for (size_t k = 0; k < 3 * r->n_frames * r->n_markers; k++)
            require(isfinite(r->positions[k]) && isfinite(r->driving[k]), "a coordinate that is none was accepted");
        for (size_t k = 0; k < r->n_clamps; k++)
            require(r->clamps[k] >= 0 && (size_t)r->clamps[k] < r->n_markers, "a clamp that is no marker was accepted");
    }
    rg_recordings_free(all, n);
    return 0;
}
