/* cli/check_conditions.c: how well conditioned the two linear systems are: that of a step, and that
 * of a fit to these recordings (check.h).
 *
 * The step's Hessian H is seen from outside: one step under a force f moves the vertices by H^-1 f
 * (free directors giving way), so that tangents in unit forces, one for each free coordinate, give the inverse column
 * by column. The fit's normal matrix comes from its own first evaluation at the model. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "cli/fit_result.h"
#include "fit/lapack.h"
#include "core/words.h"

enum { MOST_FREE = 100 }; /* vertices: the inverse's columns are directions of a run */

/* free vertices of the model, ascending, into list [vertices]; returns how many */
static size_t free_vertices(const rgc_check_job *job, size_t *list)
{
    const int *fixed = NULL;
    const size_t n_fixed = rg_batch_clamped_vertices(job->batch, &fixed);
    size_t n = 0;
    for (size_t i = 0, c = 0; i < job->rods->vertices; i++) {
        if (c < n_fixed && fixed[c] == (int)i) c++;
        else list[n++] = i;
    }
    return n;
}

/* the inverse Hessian of rod `rod`'s first step [q][q], q = 3 free vertices; *flag: how the step
 * went */
static rg_status compliance(const rgc_check_job *job, size_t rod, const size_t *list, size_t q, double *inverse,
                            rg_rod_flag *flag, rg_error *err)
{
    const rgc_rods *p = job->rods;
    const size_t row = 3 * p->vertices;
    rg_batch *batch = NULL;
    rg_rod_status ended = {0};
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout = p->rollout;
    opts.rollout.substeps = 1;
    opts.dt_s = p->dt_s / job->opts.substeps;
    opts.adjoint = 0;
    opts.directions = q;
    double *force = calloc(q * row, sizeof *force), *dx = calloc(q * row, sizeof *dx);
    rg_status status =
        force && dx ? RG_OK : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a mesh of %zu vertices.", p->vertices);
    if (status == RG_OK) status = rg_batch_create(p->models[rod], 1, &opts, &batch, err);
    for (size_t k = 0; k < q && status == RG_OK; k++) force[k * row + 3 * list[k / 3] + k % 3] = 1.0;
    const rg_batch_inputs in = {.x0 = p->x0 + rod * row,
                                .v0 = p->v0 + rod * row,
                                .m0 = p->m0 + 3 * rod * p->edges,
                                .clamp_x = p->clamp_x + 3 * rod * p->steps * p->clamped_vertices,
                                .clamp_m = p->clamp_m + 3 * rod * p->steps * p->clamped_edges};
    const rg_batch_tangents by = {.force = force, .n_directions = q};
    const rg_batch_tangent_outputs out = {.x = dx};
    if (status == RG_OK) status = rg_batch_jvp(batch, &in, &by, NULL, &out, &ended, err);
    *flag = ended.flag;
    for (size_t k = 0; k < q && status == RG_OK; k++)
        for (size_t l = 0; l < q; l++) inverse[k * q + l] = dx[k * row + 3 * list[l / 3] + l % 3];
    rg_batch_destroy(&batch);
    free(force);
    free(dx);
    return status;
}

rg_status rgc_check_hessian(rgc_check_job *job, rg_error *err)
{
    const double bar = 1e12; /* round-off then moves a rod by 1e-4 of a step's increment */
    size_t rod = 0, *list = calloc(job->rods->vertices, sizeof *list);
    if (job->opts.stepper != RG_STEPPER_IMPLICIT) {
        free(list);
        return RG_OK; /* nothing but the twist is solved for */
    }
    if (!list) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    const size_t n_free = free_vertices(job, list), q = 3 * n_free;
    if (n_free == 0) {
        free(list);
        return RG_OK;
    }
    while (rod < job->n && !rgc_check_rod_ok(job, rod)) rod++;
    if (rod == job->n || n_free > MOST_FREE) {
        if (rod < job->n)
            rgc_check_add(job, "step matrix", NAN, bar, 1, "left out: %zu free vertices are more than %d", n_free,
                          (int)MOST_FREE);
        free(list);
        return RG_OK;
    }
    double *inverse = calloc(q * q + 1, sizeof *inverse), *values = calloc(q + 1, sizeof *values);
    rgc_progress("matrix of the first step");
    rg_rod_flag flag = RG_ROD_OK;
    rg_status status = inverse && values ? rgc_check_go_on(err) : RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) status = compliance(job, rod, list, q, inverse, &flag, err);
    if (status != RG_OK) goto done;
    int finite = flag == RG_ROD_OK;
    for (size_t i = 0; i < q * q; i++) finite &= isfinite(inverse[i]) != 0;
    if (finite) {
        const lapack_int code =
            LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', (lapack_int)q, inverse, (lapack_int)q, values);
        if (rgi_lapack_no_memory(code))
            status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the eigenvalues of %zu rows.", q);
        finite = code == 0;
    }
    if (status != RG_OK) goto done;
    const double figure = finite && values[0] > 0.0 ? values[q - 1] / values[0] : (double)INFINITY;
    const int good = figure <= bar;
    /* the inverse of an indefinite matrix has a negative eigenvalue that is no round-off of its largest */
    const int saddle = finite && values[0] < -1e-9 * fabs(values[q - 1]);
    rgc_check_add(
        job, "step matrix", figure, bar, good,
        good     ? "condition number of the Hessian of the first step of %.80s, positions only"
        : saddle ? "the first step of %.80s ends at a saddle: the rod is unstable there, and a real one would leave it"
                 : "the Hessian of the first step of %.80s is close to singular: the rod is ill-conditioned; look for "
                   "soft or massless parts next to stiff ones",
        job->used[rod].name);
done:
    free(list);
    free(inverse);
    free(values);
    return status;
}

/* names of the parameters that the data say least of, worst first */
static json_t *least(const rg_fit_parameter *parameters, size_t n, char *text, size_t size)
{
    json_t *list = json_array();
    double below = -INFINITY;
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; list && k < 5; k++) {
        size_t at = n;
        for (size_t i = 0; i < n; i++)
            if (parameters[i].resolution > below && parameters[i].resolution <= 0.5 &&
                (at == n || parameters[i].resolution < parameters[at].resolution))
                at = i;
        if (at == n) break;
        char name[96];
        below = parameters[at].resolution;
        rgc_fit_parameter_name(&parameters[at], name, sizeof name);
        json_array_append_new(list, json_pack("{s:s, s:o}", "name", name, "resolution", rgc_json_number(below)));
        if (k < 3)
            used += (size_t)snprintf(text + used, used < size ? size - used : 0, "%s%s", k ? ", " : "; least of all ",
                                     name);
        if (used >= size) used = size - 1;
    }
    return list;
}

static rg_status judge_parameters(rgc_check_job *job, rg_fit *fit, rg_error *err)
{
    /* Cholesky of the normal matrix keeps three digits there */
    const double bar = 1e13;
    const rg_fit_parameter *parameters = NULL;
    size_t n = 0, determined = 0, bound = 0;
    char names[320];
    RG_TRY(rg_fit_parameters(fit, &parameters, &n, err));
    const double *s = rg_fit_singular_values(fit);
    for (size_t i = 0; i < n; i++) {
        determined += parameters[i].identifiable != 0;
        bound += parameters[i].at_bound != 0;
    }
    /* with the priors, which add 1 in these units */
    const double figure = (1.0 + s[0] * s[0]) / (1.0 + s[n - 1] * s[n - 1]);
    json_t *detail = json_pack("{s:I, s:I, s:I, s:o, s:o, s:o}", "parameters", (json_int_t)n, "determined",
                               (json_int_t)determined, "at_bound", (json_int_t)bound, "jacobian_condition",
                               rgc_json_number(s[0] / s[n - 1]), "singular_values", rgc_check_numbers(s, n),
                               "least_determined", least(parameters, n, names, sizeof names));
    const int good = figure <= bar && determined > 0;
    /* squared by the normal matrix, smaller ones drown in round-off */
    char condition[40] = "above 1e+07";
    if (s[n - 1] > 1e-7 * s[0]) snprintf(condition, sizeof condition, "%.0e", s[0] / s[n - 1]);
    rgc_check_add(job, "parameters", figure, bar, good,
                  "%zu recording%s determine%s %zu of %zu parameter%s better than their priors "
                  "(condition number of the Jacobian %s)%s%s",
                  job->n, rgi_plural(job->n), job->n == 1 ? "s" : "", determined, n, rgi_plural(n), condition, names,
                  good              ? ""
                  : determined == 0 ? "; record more motion, or hold groups with fit --fit"
                                    : "; the normal equations lose all digits: hold groups with "
                                      "fit --fit");
    return rgc_check_detail(job, "conditioning", detail, err);
}

rg_status rgc_check_parameters(rgc_check_job *job, rg_error *err)
{
    rg_fit *fit = NULL;
    rg_fit_progress progress;
    rg_error own = {0};
    rg_fit_opts opts = rg_fit_opts_default();
    opts.rollout = job->opts;
    RG_TRY(rgc_check_go_on(err));
    rgc_progress("derivatives of every parameter");
    rg_status status = rg_fit_create(job->used, job->n, job->file.model, &opts, &fit, &own);
    if (status == RG_OK) status = rg_fit_step(fit, &progress, &own);
    if (status == RG_OK) status = judge_parameters(job, fit, &own);
    rg_fit_destroy(&fit);
    rgc_progress_clear();
    if (status == RG_OK) return RG_OK;
    /* very many parameters: what else was found stands */
    if (status == RG_ERR_MEMORY) {
        rgc_check_add(job, "parameters", NAN, NAN, 1,
                      "left out: %.300s; check fewer recordings with --rods or --frames", own.text);
        return RG_OK;
    }
    /* what stops a fit from starting here is a finding */
    rgc_check_add(job, "parameters", NAN, NAN, 0, "a fit cannot start here: %.300s", own.text);
    return RG_OK;
}
