/* budget/count.cpp: what a rod-step asks of a GPU, counted by running the real kernels' source on the CPU
 * shim.
 *
 * Usage: budget_count <vertices> [...]. Prints one JSON object a line: for both steppers forward runs, runs
 * with one and with 40 tangents, and reverse runs, by differences between runs of few and of many steps. One
 * team runs one rod; everything the kernels call `real` lies in three ranges: what a step works on (shared
 * memory on a GPU), the workspace and parameters that a rod comes back to in every step, and kept states,
 * which are passed once.
 *
 * A team's path is the sum, over the pieces between its barriers, of what the busiest of its lanes does; its
 * cycles are the sum of the longest chains of dependent operations there, with the latencies below. */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "cuda/kernel.h"

#include "reverse.h"

#include "pack_fixture.h"

extern "C" {
#include "cli/bench_scene.h"
}

/* Cycles, in the order of COUNT_...: assumed, near what microbenchmarks of the H100 and A100 report (Luo et
 * al. 2024, arXiv:2402.13499; Abdelkhalik et al. 2022, arXiv:2208.11174): arithmetic 4, division and root 30,
 * shared memory and shuffles 30, arrays outside of it 250, which is L2. Nobody measured a team's barrier: 10.
 */
static const double latency[COUNT_KINDS] = {4.0, 4.0, 30.0, 30.0, 4.0};
static const double shared_latency = 30.0, global_latency = 250.0;
static const double barrier_latency = 10.0;
/* instructions for one division and one root; the others are one each */
static const double instructions[COUNT_KINDS] = {1.0, 1.0, 10.0, 10.0, 1.0};

enum range { SHARED, WORKING, KEPT, RANGES };

struct totals {
    double of[COUNT_KINDS];               /* all lanes' operations */
    double loads[RANGES], stores[RANGES]; /* all lanes', in reals */
    double puts;                          /* doubles written to the caller's arrays */
    /* of the team, in instructions */
    double path_arithmetic, path_compares, path_shared, path_global;
    double barriers, cycles;
};

/* since the team's last barrier: instructions, and the end of its longest chain [cycles] */
struct lane {
    double arithmetic, compares, shared, global, end;
};

static totals all;
static lane lanes[RGI_TEAM];
static const counted *begins[RANGES], *ends[RANGES];
static std::vector<unsigned char> touched; /* of the working range, by real: 1 read, 2 written */

static int range_of(const counted *p)
{
    for (int r = 0; r < RANGES; r++)
        if (p >= begins[r] && p < ends[r]) return r;
    return RANGES;
}

/* nothing of this piece was there before the barrier */
static double after(double at) { return at > all.cycles ? at : all.cycles; }

static double ended(double at)
{
    lane &l = lanes[threadIdx.x];
    if (at > l.end) l.end = at;
    return at;
}

double count_load(const counted *from)
{
    const int r = range_of(from);
    if (r == RANGES) return from->at;
    lane &l = lanes[threadIdx.x];
    all.loads[r] += 1.0;
    if (r == WORKING) touched[(size_t)(from - begins[r])] |= 1;
    (r == SHARED ? l.shared : l.global) += 1.0;
    return ended(after(from->at) + (r == SHARED ? shared_latency : global_latency));
}

void count_store(const counted *to)
{
    const int r = range_of(to);
    if (r == RANGES) return;
    lane &l = lanes[threadIdx.x];
    all.stores[r] += 1.0;
    if (r == WORKING) touched[(size_t)(to - begins[r])] |= 2;
    (r == SHARED ? l.shared : l.global) += 1.0;
}

double count_one(int kind, double a, double b)
{
    lane &l = lanes[threadIdx.x];
    all.of[kind] += 1.0;
    (kind == COUNT_COMPARE ? l.compares : l.arithmetic) += instructions[kind];
    return ended(after(a > b ? a : b) + latency[kind]);
}

void count_put(void)
{
    all.puts += 1.0;
    lanes[threadIdx.x].global += 1.0;
}

counted_bits count_exchange(unsigned mask, counted_bits mine, int lane_mask)
{
    return __shfl_xor_sync<counted_bits>(mask, mine, lane_mask);
}

double count_shuffle(double at) { return ended(after(at) + shared_latency); }

void count_barrier(unsigned mask)
{
    __syncwarp(mask);
    if (threadIdx.x == 0) {
        const lane *busiest = lanes;
        double most = -1.0, end = all.cycles;
        for (const lane &l : lanes) {
            const double sum = l.arithmetic + l.compares + l.shared + l.global;
            /* no lane issues more than an instruction a cycle */
            if (all.cycles + sum > end) end = all.cycles + sum;
            if (l.end > end) end = l.end;
            if (sum > most) {
                most = sum;
                busiest = &l;
            }
        }
        all.path_arithmetic += busiest->arithmetic;
        all.path_compares += busiest->compares;
        all.path_shared += busiest->shared;
        all.path_global += busiest->global;
        all.barriers += 1.0;
        all.cycles = end + barrier_latency;
        memset(lanes, 0, sizeof lanes);
    }
    __syncwarp(mask);
}

/* ---- the first rod of the bench's scenes (docs/bench.md), with any number of vertices ---- */

static const double tolerance_m = 1e-6;

struct mode {
    const char *name;
    int directions, reverse;
};

static void must(rg_status status, const rg_error &err)
{
    if (status == RG_OK) return;
    fprintf(stderr, "budget_count: %s\n", err.text);
    exit(1);
}

/* a pack of it as a batch of the library has it, and the caller's arrays */
struct rod {
    pack_fixture *fixture = nullptr;
    rgc_scene_arrays arrays = {};
    std::vector<double> markers, second; /* [steps][n][3]; their tangents or cotangents */
    std::vector<int> begin;              /* of directions' entries */
    std::vector<rgi_pack_entry> entries;

    rod(int n, int deform, const mode &m, int steps);
    ~rod()
    {
        rgc_scene_arrays_clear(&arrays);
        pack_fixture_free(fixture);
    }
    void set_directions(int count);
    void set_fit(int steps);
};

rod::rod(int n, int deform, const mode &m, int steps)
    : markers((size_t)(3 * n * steps)), second((size_t)(3 * n * steps), m.reverse ? 1.0 : 0.0)
{
    const rgc_scene scene = {"budget", (size_t)n};
    const rg_stepper stepper = deform ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
    const double finer = (11.0 / (n - 1)) * (11.0 / (n - 1));
    rg_error err = {};
    rg_model *model = nullptr;
    rg_batch_opts o = rg_batch_opts_default();
    o.rollout.stepper = stepper;
    o.rollout.scheme = RG_SCHEME_BDF2;
    o.rollout.tolerance_m = tolerance_m;
    o.dt_s = deform ? 0.004 * finer : 0.01;
    o.n_frames = (size_t)steps;
    o.adjoint = m.reverse;
    must(rgc_scene_model(&scene, stepper, 0, &model, &err), err);
    fixture = pack_fixture_make(model, &o);
    rg_model_destroy(&model);
    must(rgc_scene_arrays_create(&scene, fixture->batch, 1, (size_t)steps, o.dt_s, &arrays, &err), err);
    const rg_batch_inputs in = rgc_scene_inputs(&arrays);
    rg_batch_outputs out = {};
    out.markers = markers.data();
    pack_fixture_forward(fixture, &in, &out);
    if (m.directions > 0) {
        const rg_batch_tangents none = {};
        rg_batch_tangent_outputs tangent_out = {};
        if (m.directions == 1) tangent_out.markers = second.data();
        pack_fixture_jvp(fixture, &in, &none, &out, &tangent_out);
        set_directions(m.directions);
    }
    if (m.directions > 1) set_fit(steps);
    if (m.reverse) {
        rg_batch_cotangents bar = {};
        bar.markers = second.data();
        rg_batch_gradients gradients = {};
        /* the start's and the coefficients' gradients are wanted; they stay in the pack */
        gradients.x0 = arrays.x0;
        pack_fixture_adjoint(fixture, &bar, &gradients);
        fixture->pack->want_coef = 1;
    }
}

/* a direction moves one coefficient of one vertex */
void rod::set_directions(int count)
{
    rgi_pack *p = fixture->pack;
    double *values = pack_fixture_take(fixture, (size_t)count);
    for (int q = 0; q < count; q++) {
        begin.push_back(q);
        entries.push_back({1 + q % (p->n - 2), q % 2 ? RGI_K22 : RGI_K11});
        values[q] = 1e-3;
    }
    begin.push_back(count);
    p->n_directions = count;
    p->entry_begin = begin.data();
    p->entries = entries.data();
    p->entry_values = (rgi_reals *)(void *)values;
    p->dx0 = p->dv0 = p->dturn0 = nullptr;
}

/* as a fit: residuals and rows of its Jacobian, every marker seen at the origin */
void rod::set_fit(int steps)
{
    rgi_pack *p = fixture->pack;
    const size_t rows = (size_t)(steps * p->n_free);
    double *weight = pack_fixture_take(fixture, rows), *share = pack_fixture_take(fixture, 2);
    for (size_t i = 0; i < rows; i++) weight[i] = 1.0;
    share[0] = share[1] = 1.0;
    p->floor = 1e-3;
    p->block = steps;
    p->recorded = pack_fixture_take(fixture, 3 * rows);
    p->weight = weight;
    p->share = share;
    p->loss = pack_fixture_take(fixture, 4);
    p->rows_apart = (ptrdiff_t)(3 * rows);
    p->rows = pack_fixture_take(fixture, (size_t)(p->n_directions + 1) * 3 * rows);
}

static void watch(enum range r, const counted *begin, const counted *end)
{
    begins[r] = begin;
    ends[r] = end;
}

struct result {
    totals count;
    double iterations, working, read, written; /* reals of the working range: used, read, written */
};

static result measure(int n, int deform, const mode &m, int steps)
{
    for (int r = 0; r < RANGES; r++) watch((enum range)r, nullptr, nullptr);
    rod made(n, deform, m, steps);
    rgi_pack *p = made.fixture->pack;
    const rgi_kernel_pack counted_pack = rgi_kernel_pack_of(p);
    pack_reals reals = pack_reals_make(p, rgi_run_bind_rest(nullptr, &counted_pack, nullptr, RGI_SIDES));
    const rgi_kernel_pack &pack = reals.pack;
    std::vector<counted> fast(rgi_run_step_reals(&pack));
    watch(SHARED, fast.data(), fast.data() + fast.size());
    watch(WORKING, reals.memory, reals.kept);
    watch(KEPT, reals.kept, reals.memory + reals.count);

    rgi_run run;
    double iterations = 0.0;
    for (int backward = 0; backward <= m.reverse; backward++) {
        memset(&all, 0, sizeof all);
        memset(lanes, 0, sizeof lanes);
        touched.assign((size_t)(reals.kept - reals.memory), 0);
        /* times of an earlier run */
        for (counted &c : fast) c.at = 0.0;
        for (size_t i = 0; i < reals.count; i++) reals.memory[i].at = 0.0;
        rgs_launch(backward ? "reverse" : "run", 1, RGI_TEAM, 0, nullptr, [&]() {
            if (backward) rgi_reverse_steps(&run, &pack, fast.data());
            else rgi_run_steps(&run, &pack, 0, pack.n_steps, fast.data());
        });
        const counted *status = pack.status;
        if (!(status[0].v == 0.0)) {
            fprintf(stderr, "budget_count: the rod of %d vertices failed in step %g (flag %g)\n", n, status[1].v,
                    status[0].v);
            exit(1);
        }
        if (!backward) iterations = status[2].v;
    }
    free(reals.memory);
    result out = {all, iterations, 0.0, 0.0, 0.0};
    for (unsigned char t : touched) {
        out.working += t != 0;
        out.read += (t & 1) != 0;
        out.written += (t & 2) != 0;
    }
    return out;
}

static void print(int n, int deform, const mode &m)
{
    const int few = 10, many = 30;
    const result a = measure(n, deform, m, few), b = measure(n, deform, m, many);
    const double steps = many - few;
    rgi_kernel_pack pack;
    memset(&pack, 0, sizeof pack);
    pack.n = n;
    pack.deform = deform;
    printf("{\"stepper\": \"%s\", \"mode\": \"%s\", \"vertices\": %d", deform ? "deform" : "implicit", m.name, n);
    const auto per_step = [&](const char *name, double first, double last) {
        printf(", \"%s\": %.2f", name, (last - first) / steps);
    };
    const totals &x = a.count, &y = b.count;
    per_step("add", x.of[COUNT_ADD], y.of[COUNT_ADD]);
    per_step("mul", x.of[COUNT_MUL], y.of[COUNT_MUL]);
    per_step("div", x.of[COUNT_DIV], y.of[COUNT_DIV]);
    per_step("sqrt", x.of[COUNT_ROOT], y.of[COUNT_ROOT]);
    per_step("compare", x.of[COUNT_COMPARE], y.of[COUNT_COMPARE]);
    per_step("shared", x.loads[SHARED] + x.stores[SHARED], y.loads[SHARED] + y.stores[SHARED]);
    per_step("global", x.loads[WORKING] + x.stores[WORKING], y.loads[WORKING] + y.stores[WORKING]);
    per_step("kept", x.loads[KEPT] + x.stores[KEPT], y.loads[KEPT] + y.stores[KEPT]);
    per_step("puts", x.puts, y.puts);
    per_step("path_arithmetic", x.path_arithmetic, y.path_arithmetic);
    per_step("path_compares", x.path_compares, y.path_compares);
    per_step("path_shared", x.path_shared, y.path_shared);
    per_step("path_global", x.path_global, y.path_global);
    per_step("barriers", x.barriers, y.barriers);
    per_step("cycles", x.cycles, y.cycles);
    per_step("iterations", a.iterations, b.iterations);
    /* series that are read: prescribed positions and directors, and with them a frame's cotangents */
    const int gets = 3 * RGC_SCENE_CLAMPS + 3 * RGC_SCENE_CLAMPED_EDGES + (m.reverse ? 3 * n : 0);
    printf(", \"gets\": %d, \"working\": %.0f, \"working_read\": %.0f, \"working_written\": %.0f, "
           "\"step_reals\": %zu, \"run_bytes\": %zu}\n",
           gets, b.working, b.read, b.written, rgi_run_step_reals(&pack), sizeof(rgi_run));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const mode modes[] = {{"forward", 0, 0}, {"1 tangent", 1, 0}, {"40 tangents", 40, 0}, {"adjoint", 0, 1}};
    if (argc < 2) {
        fprintf(stderr, "budget_count: name numbers of vertices, such as 13 32\n");
        return 2;
    }
    for (int a = 1; a < argc; a++) {
        char *end = nullptr;
        const long n = strtol(argv[a], &end, 10);
        if (*end || n < 6 || n > 1000) {
            fprintf(stderr, "budget_count: \"%s\" must be a number of vertices, 6 to 1000\n", argv[a]);
            return 2;
        }
        for (int deform = 0; deform < 2; deform++)
            for (const mode &m : modes) print((int)n, deform, m);
    }
    return 0;
}
