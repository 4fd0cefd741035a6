/* test_net_deform.c [--update]: hashes (net.h) of the default fits of DEFORM's cables in both reals, by the best
 * instructions of this processor: parameters, deviations, recordings' errors. Takes minutes. The recordings are read
 * from $RODGRAD_RECORDINGS, else ../shared/recordings next to the sources. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/recording_io.h"
#include "net.h"

static void net_deform(void **state)
{
    (void)state;
    net_way on[8];
    const size_t n = net_ways(on);
    const char *folder = getenv("RODGRAD_RECORDINGS"), *class = n ? on[n - 1].class : "";
    if (!folder) folder = RODGRAD_SOURCE_DIR "/../shared/recordings";
    if (!net_blas_is_known()) skip();
    net_wrong = 0;
    for (int cable = 1; cable <= 5; cable++) {
        char path[1024], at[NET_NAME / 2];
        const char *paths[] = {path};
        const rg_import_opts import = rg_import_opts_default();
        rg_recording *r = NULL;
        size_t count = 0;
        rg_error err = {0};
        snprintf(path, sizeof path, "%s/deform/DLO%d/train", folder, cable);
        if (rg_recordings_read(paths, 1, &import, &r, &count, &err) != RG_OK) {
            assert_int_equal(net_wrong, 0);
            print_message("skipped: %s\n", err.text);
            skip();
        }
        for (int real = 0; real < 2; real++) {
            rg_fit_opts o = rg_fit_opts_default();
            o.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            rg_fit *fit = fits_create(r, count, NULL, &o);
            snprintf(at, sizeof at, "fit of DLO%d, %s, %s", cable, net_reals[real], class);
            net_check_fit(fit, count, at, "");
            rg_fit_destroy(&fit);
        }
        rg_recordings_free(r, count);
    }
    assert_int_equal(net_wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(net_deform)};
    net_open(argc, argv);
    return net_close(cmocka_run_group_tests(tests, NULL, NULL));
}
