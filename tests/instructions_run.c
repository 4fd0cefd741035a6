/* One call of what rodgrad bench measures, for instructions.py to count its instructions under callgrind:
 *
 *   instructions_run STEPPER MODE PARAMETERS REAL ISA
 *
 * 8 rods of rope12 over 20 frames of 10 ms, on one thread; the call follows another that is not counted, so
 * that nothing is bound or touched for the first time. Prints its rod-steps. Exit code 77 where the processor
 * has no such instructions. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_work.h"

/* two packs of AVX2's doubles */
enum { RODS = 8, FRAMES = 20 };

rg_status instructions_counted(const rgc_work *work, rg_error *err);

/* what callgrind is told to count */
__attribute__((noinline)) rg_status instructions_counted(const rgc_work *work, rg_error *err)
{
    return rgc_work_run(work, err);
}

static int complain(const char *sentence)
{
    fprintf(stderr, "instructions_run: %s\n", sentence);
    return 1;
}

int main(int argc, char **argv)
{
    rgc_setting setting = {&rgc_scenes[0], rg_rollout_opts_default(), FRAMES, 0.01, RG_MEMORY_HOST};
    rgc_arrays arrays = {.rods = RODS};
    rgc_work work;
    rg_real real = RG_REAL_DOUBLE;
    rg_error err = {0};
    int mode = 0;
    if (argc != 6) return complain("it takes STEPPER MODE PARAMETERS REAL ISA.");
    while (mode < RGC_MODES && strcmp(rgc_mode_names[mode], argv[2]) != 0) mode++;
    if (mode == RGC_MODES || !rg_stepper_find(argv[1], &setting.rollout.stepper) || !rg_real_find(argv[4], &real))
        return complain("no such stepper, mode or real.");
    setting.rollout.isa = argv[5];
    const size_t parameters = strtoul(argv[3], NULL, 10);
    rg_status status =
        rgc_scene_substeps(setting.scene, setting.rollout.stepper, setting.frame_s, &setting.rollout.substeps, &err);
    if (status == RG_OK) status = rgc_work_create(&setting, &arrays, (rgc_mode)mode, parameters, real, 1, &work, &err);
    if (status == RG_OK) status = rgc_work_run(&work, &err);
    if (status == RG_OK) status = instructions_counted(&work, &err);
    if (status != RG_OK) {
        (void)complain(err.text);
        return status == RG_ERR_UNSUPPORTED ? 77 : 1;
    }
    rgc_work_statuses(&work);
    for (size_t i = 0; i < arrays.rods; i++)
        if (arrays.statuses[i].flag != RG_ROD_OK) return complain(rg_rod_flag_text(arrays.statuses[i].flag));
    printf("%zu\n", RODS * rgc_setting_steps(&setting));
    rgc_work_clear(&work);
    rgc_arrays_clear(&setting, &arrays);
    return 0;
}
