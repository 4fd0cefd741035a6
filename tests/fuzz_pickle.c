/* fuzz_pickle.c: any bytes as a pickle: refused with a sentence that names the file, or motion
 * whose size is bounded by the file's; for what is accepted, every shorter beginning is refused. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/formats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_pickle: %s\n", what);
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rgi_motion motion;
    rg_error err = {0};
    rg_status status = rgi_pickle_parse(data, size, "fuzz.pkl", &motion, &err);
    if (status != RG_OK) {
        require(motion.positions == NULL && motion.n_frames == 0, "a refused file left something");
        require(err.status == status && strstr(err.text, "fuzz.pkl") && !strchr(err.text, '\n'),
                "a refusal without a sentence");
        return 0;
    }
    require(motion.n_frames > 0 && motion.n_markers > 0, "empty motion was accepted");
    require(motion.n_frames * motion.n_markers <= 16 * size / 3, "motion larger than its file");
    /* reading every number lets a sanitizer see what was not written */
    double sum = 0;
    for (size_t i = 0; i < motion.n_frames * motion.n_markers * 3; i++) sum += motion.positions[i];
    require(sum <= 0 || sum >= 0 || sum != sum, "arithmetic");
    free(motion.positions);

    /* one cut a run keeps the fuzzer fast; which one depends on the input alone */
    size_t cut = (size_t)data[size / 2] * size / 256;
    require(rgi_pickle_parse(data, cut, "fuzz.pkl", &motion, &err) != RG_OK, "a cut file was accepted");
    return 0;
}
