/* core/batch.c: runs of batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames
 * stay where the caller has them. */
#include "core/batch.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "core/coefficients.h"
#include "rod/layout.h"

size_t rgi_batch_numbers(const rg_batch *b, int field)
{
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const size_t entries = info->location == RG_PER_EDGE     ? b->vertices - 1
                           : info->location == RG_PER_VERTEX ? b->vertices
                                                             : b->markers;
    return entries * (size_t)info->components;
}

/* the caller's array [n_rods][steps][items] as a pack's series */
static rgi_series series(const double *data, size_t first, size_t steps, size_t items)
{
    rgi_series s = {NULL, 0, 0, 0};
    if (!data || items == 0) return s;
    s.data = (double *)(uintptr_t)data + first * steps * items;
    s.rod = (ptrdiff_t)(steps * items);
    s.step = (ptrdiff_t)items;
    s.item = 1;
    return s;
}

/* spread the first count values of a pack's rods [n_rods][row] over its lanes [count][W]; NULL: zero */
static void spread(const rg_batch *b, size_t index, const double *from, size_t row, size_t count, const double *to)
{
    double *p = (double *)(uintptr_t)to;
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; lane < w; lane++) {
        size_t rod = b->places[index].first + (lane < rods ? lane : 0);
        for (size_t i = 0; i < count; i++) p[i * w + lane] = from ? from[rod * row + i] : 0.0;
    }
}

static void gather(const rg_batch *b, size_t index, const double *from, size_t row, size_t count, double *to)
{
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; to && lane < rods; lane++)
        for (size_t i = 0; i < count; i++) to[(b->places[index].first + lane) * row + i] = from[i * w + lane];
}

/* threads for what the host does rod by rod, whose sums are each rod's own: on a GPU `threads` is one */
static int host_threads(const rg_batch *b)
{
    enum { RODS_OF_THREAD = 256 };
    const int asked = b->opts.rollout.threads > 0 ? b->opts.rollout.threads : omp_get_max_threads();
    const size_t useful = b->n_rods / RODS_OF_THREAD + 1;
    return (size_t)asked < useful ? asked : (int)useful;
}

/* Prescribed directors: the simulator would take any vector for one, and strains would be wrong without a word. What is
 * not finite ends its rod at its step. */
static rg_status check_clamp_m(const rg_batch *b, const rg_batch_inputs *in, size_t rod, rg_error *err)
{
    const rgi_shape *s = rgi_batch_shape_of(b, rod);
    for (size_t d = 0, place = 0; d < s->n_fixed_theta; d++, place++) {
        const size_t edge = (size_t)s->fixed_theta[d];
        while ((size_t)s->fixed_x[place] != edge) place++;
        for (size_t k = 0; k < b->steps; k++) {
            const double *x = in->clamp_x + 3 * ((rod * b->steps + k) * b->clamped + place);
            const double *m = in->clamp_m + 3 * ((rod * b->steps + k) * b->held + d);
            if (rgi_is_director(x, m)) continue;
            double size = 0.0, length = 0.0, along = 0.0;
            for (int c = 0; c < 3; c++) {
                size += m[c] * m[c];
                length += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
                along += (x[3 + c] - x[c]) * m[c];
            }
            if (!isfinite(size)) continue;
            return RG_FAIL(err, RG_ERR_VALUE,
                           "clamp_m of rod %zu, step %zu, clamped edge %zu (vertices %zu and %zu): (%g, %g, %g) is no "
                           "unit vector across its edge: its length is %.9g and its part along the edge %.3g; make it "
                           "perpendicular and normalise it, or carry it with rg_batch_carry_directors",
                           rod, k, d, edge, edge + 1, m[0], m[1], m[2], sqrt(size), along / sqrt(length));
        }
    }
    return RG_OK;
}

/* the first rod in order that has a bad director says so */
static rg_status check_clamps(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    size_t bad = b->n_rods;
#pragma omp parallel for reduction(min : bad) num_threads(host_threads(b))
    for (size_t rod = 0; rod < b->n_rods; rod++)
        if (rod < bad && check_clamp_m(b, in, rod, NULL) != RG_OK) bad = rod;
    return bad < b->n_rods ? check_clamp_m(b, in, bad, err) : RG_OK;
}

static rg_status check_inputs(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->clamped && !in->clamp_x) || (b->held && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0, n = rgi_batch_shape_of(b, rod)->n; i + 1 < n; i++) {
            const double *x = in->x0 + 3 * (rod * b->vertices + i);
            const double *m = in->m0 + 3 * (rod * (b->vertices - 1) + i);
            double e = 0.0;
            for (int c = 0; c < 3; c++) e += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
            if (!(e > 1e-18) || !isfinite(e))
                return RG_FAIL(err, RG_ERR_VALUE, "rod %zu starts with vertices %zu and %zu at one place or not finite",
                               rod, i, i + 1);
            if (!rgi_is_director(x, m))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "the director of edge %zu of rod %zu is not a unit vector across "
                               "its edge",
                               i, rod);
        }
    return b->held && b->opts.memory == RG_MEMORY_HOST ? check_clamps(b, in, err) : RG_OK;
}

static void pad_directors(const rg_batch *b, size_t index, const double *m0)
{
    const rgi_pack *j = &b->packs[index];
    const size_t w = b->lanes, count = 3 * (b->places[index].shape->n - 1);
    spread(b, index, m0, 3 * (b->vertices - 1), count, j->m0);
    for (size_t i = count * w; i < (count + 3) * w; i++) ((double *)(uintptr_t)j->m0)[i] = 0.0;
}

static void point_inputs(rg_batch *b, const rg_batch_inputs *in, const rg_batch_outputs *out)
{
    const size_t v = b->vertices, steps = b->steps, frames = b->opts.n_frames;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = b->places[index].first, n = b->places[index].shape->n;
        spread(b, index, in->x0, 3 * v, 3 * n, j->x0);
        spread(b, index, in->v0, 3 * v, 3 * n, j->v0);
        pad_directors(b, index, in->m0);
        j->drive_x = series(in->clamp_x, first, steps, 3 * b->clamped);
        j->drive_m = series(in->clamp_m, first, steps, 3 * b->held);
        j->force = series(in->force, first, steps, 3 * v);
        j->out_x = series(out ? out->x : NULL, first, frames, 3 * v);
        j->out_v = series(out ? out->v : NULL, first, frames, 3 * v);
        j->out_m = series(out ? out->m : NULL, first, frames, 3 * (v - 1));
        j->out_markers = series(out ? out->markers : NULL, first, frames, 3 * b->markers);
        j->n_directions = 0;
        j->ddrive_x.data = j->ddrive_turn.data = j->dforce.data = NULL;
        j->out_dx.data = j->out_dv.data = j->out_dturn.data = j->out_dmarkers.data = NULL;
        j->drive_x_bar.data = j->drive_turn_bar.data = NULL;
    }
}

static void run(rg_batch *b, int reverse)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(b->threads)
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        j->workspace = b->threads_memory + (size_t)omp_get_thread_num() * (b->work_doubles + b->pool_doubles);
        j->pool = j->workspace + b->work_doubles;
        if (reverse) b->cpu->reverse(j);
        else b->cpu->run(j);
    }
}

void rgi_lane_status(const double *status, size_t w, size_t lane, rg_rod_status *out)
{
    out->flag = (rg_rod_flag)status[lane];
    out->step = (int)status[w + lane];
    out->iterations = (int)status[2 * w + lane];
    out->worst_iterations = (int)status[3 * w + lane];
    out->worst_increment_m = status[4 * w + lane];
    out->vertex = (int)status[5 * w + lane];
    out->unstable = (int)status[6 * w + lane];
    out->worst_twist_rad = status[7 * w + lane];
    out->worst_twist_step = (int)status[8 * w + lane];
    out->worst_turn_rad = 2.0 * asin(fmin(sqrt(status[9 * w + lane]), 1.0));
    out->worst_turn_step = (int)status[10 * w + lane];
    out->stable_step_s = 0.0;
}

static void give_statuses(const rg_batch *b, rg_rod_status *statuses)
{
    for (size_t i = 0; statuses && i < b->n_rods; i++) {
        const size_t index = b->pack_of[i];
        rgi_lane_status(b->packs[index].status, b->lanes, i - b->places[index].first, &statuses[i]);
        statuses[i].stable_step_s = b->stable_step_s[i];
    }
}

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err)
{
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_forward needs a batch");
    RG_TRY(check_inputs(b, inputs, err));
    if (b->device) {
        RG_TRY(rgi_batch_device_run(b, inputs, NULL, outputs, NULL, statuses != NULL, err));
    } else {
        point_inputs(b, inputs, outputs);
        run(b, 0);
    }
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

rg_status rg_batch_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    if (!b || !mask || !b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_reset needs a batch that was created with carry_on, and a mask");
    if (b->device) return rgi_batch_device_reset(b, mask, err);
    for (size_t i = 0; i < b->n_rods; i++) {
        const size_t index = b->pack_of[i], state = RGI_STATE_REALS * b->places[index].shape->n + 1;
        if (mask[i]) b->packs[index].carried[2 * state * b->lanes + (i - b->places[index].first)] = 0.0;
    }
    return RG_OK;
}

/* the fields' direction as changes of coefficients, one list for all rods: places that any rod moves */
void rgi_batch_set_entries(rg_batch *b, const double *const *fields)
{
    const size_t w = b->lanes, n = b->vertices, places = rgi_batch_change_places(b);
    for (size_t i = 0; i < b->n_packs; i++)
        memset((double *)(uintptr_t)b->packs[i].entry_values, 0, places * w * sizeof(double));
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t slot = 0; slot < b->n_packs * w; slot++) {
        const size_t index = slot / w, lane = slot % w < (size_t)b->packs[index].rods ? slot % w : 0;
        const size_t from = b->places[index].first + lane;
        double *values = (double *)(uintptr_t)b->packs[index].entry_values + slot % w;
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            const rg_model *model = rgi_batch_model_of(b, from);
            const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
            for (size_t k = 0; fields[field] && k < rgi_batch_model_numbers(model, field); k++) {
                double by = fields[field][from * rgi_batch_numbers(b, field) + k];
                rgi_pack_entry entries[RGI_MAX_ENTRIES];
                double own[RGI_MAX_ENTRIES];
                if (by == 0.0) continue;
                int got =
                    rgi_coefficients_jvp(model, (rg_field)field, k / components, (int)(k % components), entries, own);
                for (int e = 0; e < got; e++) {
                    size_t node = (size_t)entries[e].node, c = (size_t)entries[e].coefficient;
                    size_t at = c < RGI_NC ? node * RGI_NC + c : n * RGI_NC + 2 * node + c - RGI_O1;
                    values[at * w] += by * own[e];
                }
            }
        }
    }
    /* which places any rod moves: first as flags in `coefficient`, then as places in `node` */
    for (size_t at = 0; at < places; at++) b->entries[at].coefficient = 0;
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t i = 0; i < b->n_packs; i++)
        for (size_t at = 0; at < places; at++) {
            int moved = 0;
            for (size_t lane = 0; lane < w; lane++) moved |= b->packs[i].entry_values[at * w + lane] != 0.0;
            if (!moved) continue;
#pragma omp atomic write
            b->entries[at].coefficient = 1;
        }
    int count = 0;
    for (size_t at = 0; at < places; at++)
        if (b->entries[at].coefficient) b->entries[count++].node = (int)at;
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t i = 0; i < b->n_packs; i++) {
        double *values = (double *)(uintptr_t)b->packs[i].entry_values;
        for (int k = 0; k < count; k++)
            memmove(values + (size_t)k * w, values + (size_t)b->entries[k].node * w, w * sizeof *values);
        rgi_cpu_narrow(b->cpu, values, (size_t)count);
    }
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)b->entries[k].node, offset = at - n * RGI_NC;
        b->entries[k].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        b->entries[k].coefficient = at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
    }
    b->entry_begin[0] = 0;
    b->entry_begin[1] = count;
}

rg_status rg_batch_jvp(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                       const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *out, rg_rod_status *statuses,
                       rg_error *err)
{
    if (!b || !tangents || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_jvp needs a batch, a direction and outputs");
    if (b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(check_inputs(b, inputs, err));
    if (b->device) {
        RG_TRY(rgi_batch_device_run(b, inputs, tangents, outputs, out, statuses != NULL, err));
        b->ran = 1;
        give_statuses(b, statuses);
        return RG_OK;
    }
    point_inputs(b, inputs, outputs);
    rgi_batch_set_entries(b, tangents->fields);
    const size_t v = b->vertices, steps = b->steps, frames = b->opts.n_frames, w = b->lanes;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = b->places[index].first, n = b->places[index].shape->n;
        double *turn = (double *)(uintptr_t)j->dturn0;
        spread(b, index, tangents->x0, 3 * v, 3 * n, j->dx0);
        spread(b, index, tangents->v0, 3 * v, 3 * n, j->dv0);
        spread(b, index, tangents->turn0, v - 1, n - 1, turn);
        for (size_t lane = 0; lane < w; lane++) turn[(n - 1) * w + lane] = 0.0;
        j->n_directions = 1;
        j->entry_begin = b->entry_begin;
        j->entries = b->entries;
        j->ddrive_x = series(tangents->clamp_x, first, steps, 3 * b->clamped);
        j->ddrive_turn = series(tangents->clamp_turn, first, steps, b->held);
        j->dforce = series(tangents->force, first, steps, 3 * v);
        j->out_dx = series(out->x, first, frames, 3 * v);
        j->out_dv = series(out->v, first, frames, 3 * v);
        j->out_dturn = series(out->turn, first, frames, v - 1);
        j->out_dmarkers = series(out->markers, first, frames, 3 * b->markers);
    }
    run(b, 0);
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

/* gradients of fields from those of coefficients */
void rgi_batch_give_fields(const rg_batch *b, double *const *fields)
{
    const size_t w = b->lanes;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        if (!fields[field]) continue;
        const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
        const size_t row = rgi_batch_numbers(b, field);
#pragma omp parallel for num_threads(host_threads(b))
        for (size_t rod = 0; rod < b->n_rods; rod++) {
            const size_t index = b->pack_of[rod], lane = rod - b->places[index].first;
            const rg_model *model = rgi_batch_model_of(b, rod);
            for (size_t k = 0, count = rgi_batch_model_numbers(model, field); k < count; k++) {
                double sum = 0.0;
                rgi_coefficients_adj(model, (rg_field)field, k / components, (int)(k % components), 1.0,
                                     &b->packs[index], w, lane, &sum);
                fields[field][rod * row + k] = sum;
            }
        }
    }
}

static void give_adjoint_statuses(const rg_batch *b, rg_adjoint_status *statuses)
{
    const size_t w = b->lanes;
    for (size_t i = 0; statuses && i < b->n_rods; i++) {
        const size_t index = b->pack_of[i];
        const double *from = b->packs[index].adjoint_status + (i - b->places[index].first);
        rg_adjoint_status *to = &statuses[i];
        to->flag = (rg_rod_flag)from[0];
        to->step = to->flag == RG_ROD_OK ? -1 : (int)from[w];
        to->vertex = (int)from[2 * w];
    }
}

rg_status rg_batch_adjoint(rg_batch *b, const rg_batch_cotangents *bar, const rg_batch_gradients *g,
                           rg_adjoint_status *statuses, rg_error *err)
{
    if (!b || !bar || !g)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_adjoint needs a batch, cotangents and gradients");
    if (!b->opts.adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the batch was created without `adjoint`; it kept no states to go back by");
    if (!b->ran) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no run to go back by; call rg_batch_forward");
    if (g->growth && (g->growth_every == 0 || g->growth_every > b->steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", g->growth_every,
                       b->steps);
    if (b->device) {
        RG_TRY(rgi_batch_device_adjoint(b, bar, g, statuses != NULL, err));
        give_adjoint_statuses(b, statuses);
        return RG_OK;
    }
    const size_t v = b->vertices, steps = b->steps, frames = b->opts.n_frames;
    int fields = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) fields |= g->fields[field] != NULL;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = b->places[index].first;
        j->bar = RGI_BAR_GIVEN;
        j->n_directions = 0;
        j->ddrive_x.data = j->ddrive_turn.data = j->dforce.data = NULL;
        j->x_bar = series(bar->x, first, frames, 3 * v);
        j->v_bar = series(bar->v, first, frames, 3 * v);
        j->turn_bar = series(bar->turn, first, frames, v - 1);
        j->markers_bar = series(bar->markers, first, frames, 3 * b->markers);
        j->drive_x_bar = series(g->clamp_x, first, steps, 3 * b->clamped);
        j->drive_turn_bar = series(g->clamp_turn, first, steps, b->held);
        j->force_bar = series(g->force, first, steps, 3 * v);
        j->growth_every = (int)g->growth_every;
        j->growth = series(g->growth, first, g->growth ? steps / g->growth_every + 1 : 1, 1);
        j->want_coef = fields;
        j->want_start = g->x0 || g->v0 || g->turn0;
    }
    run(b, 1);
    for (size_t index = 0; index < b->n_packs; index++) {
        const rgi_pack *j = &b->packs[index];
        const size_t n = b->places[index].shape->n;
        gather(b, index, j->x0_bar, 3 * v, 3 * n, g->x0);
        gather(b, index, j->v0_bar, 3 * v, 3 * n, g->v0);
        gather(b, index, j->turn0_bar, v - 1, n - 1, g->turn0);
    }
    give_adjoint_statuses(b, statuses);
    rgi_batch_give_fields(b, g->fields);
    return RG_OK;
}
