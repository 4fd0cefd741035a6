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

/* ---- a rod: the one of the bench's scenes (docs/bench.md), with any number of vertices ---- */

static const double pi = 3.14159265358979323846;

struct series_memory {
    std::vector<double> data;
    rgi_series as(int items)
    {
        rgi_series s = {data.data(), 0, items, 1};
        return s;
    }
};

struct rod {
    int n, steps;
    double h;
    std::vector<int> order, first, second, markers, free_markers;
    std::vector<unsigned char> fixed;
    std::vector<double> x0;
    series_memory drive_x, drive_m, out_markers, out_dmarkers, markers_bar, rows;
};

static const int fixed_edges = 2, fixed_vertices = 4;

static void place_clamps(rod *r, double t, double *x)
{
    const int n = r->n;
    const int at[fixed_vertices] = {0, 1, n - 2, n - 1};
    const double ramp = 1.0 - exp(-t * t / 0.09);
    for (int k = 0; k < fixed_vertices; k++)
        for (int c = 0; c < 3; c++) {
            const double rate = 2.0 * pi * (0.4 + 0.1 * c + (k < 2 ? 0.0 : 0.15));
            x[3 * k + c] = r->x0[(size_t)(3 * at[k] + c)] + (c == 0 ? 0.02 : 0.04) * ramp * sin(rate * t);
        }
}

static rod make_rod(int n, int deform, int steps)
{
    rod r;
    r.n = n;
    r.steps = steps;
    const double finer = (11.0 / (n - 1)) * (11.0 / (n - 1));
    r.h = deform ? 0.004 * finer : 0.01;
    r.fixed.assign((size_t)n, 0);
    r.fixed[0] = r.fixed[(size_t)n - 2] = RGI_FIXED_X | RGI_FIXED_THETA;
    r.fixed[1] = RGI_FIXED_X;
    r.fixed[(size_t)n - 1] = RGI_FIXED_X | RGI_FIXED_THETA;
    r.x0.assign((size_t)(3 * n), 0.0);
    for (int i = 0; i < n; i++) {
        r.order.push_back(i);
        r.first.push_back(i + 1 < n ? i + 1 : -1);
        r.second.push_back(i + 2 < n ? i + 2 : -1);
        r.markers.push_back(i);
        if (i > 1 && i < n - 2) r.free_markers.push_back(i);
        if (i == n - 1) break;
        const double slope = -0.9 * cos(pi * (i + 0.5) / (n - 1));
        r.x0[(size_t)(3 * i + 3)] = r.x0[(size_t)(3 * i)] + cos(slope) / (n - 1);
        r.x0[(size_t)(3 * i + 5)] = r.x0[(size_t)(3 * i + 2)] + sin(slope) / (n - 1);
    }
    r.drive_x.data.resize((size_t)(3 * fixed_vertices * steps));
    r.drive_m.data.assign((size_t)(3 * fixed_edges * steps), 0.0);
    for (int s = 0; s < steps; s++) {
        place_clamps(&r, r.h * (s + 1), &r.drive_x.data[(size_t)(3 * fixed_vertices * s)]);
        /* the grippers move without turning, so that edges stay in their plane */
        for (int e = 0; e < fixed_edges; e++) r.drive_m.data[(size_t)(3 * (fixed_edges * s + e) + 1)] = 1.0;
    }
    r.out_markers.data.resize((size_t)(3 * n * steps));
    r.out_dmarkers.data.resize((size_t)(3 * n * steps));
    r.markers_bar.data.assign((size_t)(3 * n * steps), 1.0);
    return r;
}

static void set_coefficients(const rod *r, int deform, counted *coef)
{
    const double length = 1.0 / (r->n - 1), edge = 11.0 * length;
    const double damping = deform ? 0.02 * edge * edge : 0.02;
    for (int i = 0; i < r->n; i++) {
        counted *k = coef + RGI_NC * i;
        const double s = 2.0 * pi * i * length, b = 2.5e-3 * (1.0 + 0.3 * cos(s)) / length;
        k[RGI_KL].v = 500.0 / length;
        k[RGI_L].v = length;
        k[RGI_TS].v = 0.01;
        k[RGI_K11].v = 1.1 * b;
        k[RGI_K12].v = 0.05 * b;
        k[RGI_K22].v = 0.9 * b;
        k[RGI_KB1].v = sin(s) * length;
        k[RGI_KB2].v = 0.7 * cos(2.0 * s) * length;
        k[RGI_TB].v = k[RGI_TT].v = damping;
        k[RGI_RM].v = 0.2;
        k[RGI_LM].v = 2.0;
        k[RGI_KT].v = 0.5 * b;
        k[RGI_TBAR].v = 0.0;
        k[RGI_M].v = 0.06 * length;
        k[RGI_C].v = 0.2;
    }
}

/* ---- memory of the kernels' reals ---- */

/* hands out pieces of one array */
struct arena {
    std::vector<counted> reals;
    size_t used = 0;
    explicit arena(size_t size) : reals(size) {}
    counted *take(size_t count)
    {
        counted *p = reals.data() + used;
        used += count;
        if (used <= reals.size()) return p;
        fprintf(stderr, "budget_count: an arena of %zu reals is too small\n", reals.size());
        abort();
    }
    double *doubles(size_t count) { return (double *)(void *)take(count); }
};

static void watch(enum range r, const arena &a)
{
    begins[r] = a.reals.data();
    ends[r] = begins[r] + a.used;
}

struct mode {
    const char *name;
    int directions, reverse;
};

struct result {
    totals count;
    double iterations, working, read, written; /* reals of the working range: used, read, written */
};

static result measure(int n, int deform, const mode &m, int steps)
{
    rod r = make_rod(n, deform, steps);
    const size_t nodes = (size_t)n, frames = (size_t)steps, p = (size_t)m.directions;
    const int free_markers = (int)r.free_markers.size();
    rgi_pack pack;
    rgi_plan plan;
    memset(&pack, 0, sizeof pack);
    memset(&plan, 0, sizeof plan);
    plan.levels = 1;
    plan.length[0] = steps;
    pack.n = n;
    pack.rods = 1;
    pack.order = r.order.data();
    pack.first = r.first.data();
    pack.second = r.second.data();
    pack.fixed = r.fixed.data();
    pack.n_markers = n;
    pack.marker_vertices = r.markers.data();
    pack.h = r.h;
    pack.gravity[2] = -9.81;
    pack.tolerance = 1e-6;
    pack.deform = deform;
    pack.bdf2 = !deform;
    pack.max_iterations = 30;
    pack.sweeps = 10;
    pack.substeps = 1;
    pack.n_steps = steps;
    const int fixed_x[fixed_vertices] = {0, 1, n - 2, n - 1}, fixed_theta[fixed_edges] = {0, n - 2};
    pack.n_fixed_x = fixed_vertices;
    pack.n_fixed_theta = fixed_edges;
    pack.fixed_x = fixed_x;
    pack.fixed_theta = fixed_theta;
    pack.drive_x = r.drive_x.as(3 * fixed_vertices);
    pack.drive_m = r.drive_m.as(3 * fixed_edges);
    pack.out_markers = r.out_markers.as(3 * n);

    /* a direction moves one coefficient of one vertex */
    arena working(20000 + nodes * 400 * (p + 1) + 4 * frames * nodes), fast(4096 * nodes),
        kept(16 * nodes * (frames + 3));
    std::vector<int> begin(p + 1, 0);
    std::vector<rgi_pack_entry> entries(p + 1);
    counted *values = working.take(p + 1);
    for (size_t q = 0; q < p; q++) {
        begin[q + 1] = (int)q + 1;
        entries[q].node = 1 + (int)(q % (nodes - 2));
        entries[q].coefficient = q % 2 ? RGI_K22 : RGI_K11;
        values[q].v = 1e-3;
    }
    pack.n_directions = m.directions;
    pack.entry_begin = begin.data();
    pack.entries = entries.data();
    pack.entry_values = (const double *)(void *)values;
    if (p == 1) pack.out_dmarkers = r.out_dmarkers.as(3 * n);
    if (p > 1) {
        /* as a fit: residuals and rows of its Jacobian, every marker seen at the origin */
        pack.n_free = free_markers;
        pack.free_markers = r.free_markers.data();
        pack.floor = 1e-3;
        pack.block = steps;
        pack.recorded = working.doubles(3 * frames * (size_t)free_markers);
        counted *weight = working.take(frames * (size_t)free_markers);
        for (size_t i = 0; i < frames * (size_t)free_markers; i++) weight[i].v = 1.0;
        pack.weight = (const double *)(void *)weight;
        counted *share = working.take(2);
        share[0].v = share[1].v = 1.0;
        pack.share = (const double *)(void *)share;
        pack.loss = working.doubles(4);
        pack.rows_apart = 3 * free_markers * steps;
        r.rows.data.resize((p + 1) * (size_t)pack.rows_apart);
        pack.rows = r.rows.data.data();
    }
    counted *coef = working.take(RGI_NC * nodes), *x0 = working.take(3 * nodes), *m0 = working.take(3 * nodes);
    set_coefficients(&r, deform, coef);
    for (size_t i = 0; i < 3 * nodes; i++) x0[i].v = r.x0[i];
    for (size_t i = 0; i + 1 < nodes; i++) m0[3 * i + 1].v = 1.0;
    pack.coef = (const double *)(void *)coef;
    pack.x0 = (const double *)(void *)x0;
    pack.m0 = (const double *)(void *)m0;
    pack.v0 = working.doubles(3 * nodes);
    pack.offset = working.doubles(2 * nodes);
    counted *lane_steps = working.take(1);
    lane_steps->v = steps;
    pack.lane_steps = (const double *)(void *)lane_steps;
    pack.status = working.doubles(6);
    pack.adjoint_status = working.doubles(3);
    if (m.reverse) {
        pack.plan = &plan;
        pack.kept = kept.doubles((RGI_STATE * nodes + 1) * (size_t)rgi_plan_kept(&plan));
        pack.bar = RGI_BAR_GIVEN;
        pack.markers_bar = r.markers_bar.as(3 * n);
        pack.want_coef = pack.want_start = 1;
        pack.coef_bar = working.doubles(RGI_NC * nodes);
        pack.offset_bar = working.doubles(2 * nodes);
        pack.x0_bar = working.doubles(3 * nodes);
        pack.v0_bar = working.doubles(3 * nodes);
        pack.turn0_bar = working.doubles(nodes);
    }
    pack.workspace = working.doubles(rgi_run_bind_rest(nullptr, &pack, nullptr, RGI_SIDES));
    counted *step_reals = fast.take(rgi_run_step_reals(&pack));
    watch(SHARED, fast);
    watch(WORKING, working);
    watch(KEPT, kept);

    rgi_run run;
    double iterations = 0.0;
    for (int backward = 0; backward <= m.reverse; backward++) {
        memset(&all, 0, sizeof all);
        memset(lanes, 0, sizeof lanes);
        touched.assign(working.used, 0);
        /* times of an earlier run */
        for (arena *a : {&working, &fast, &kept})
            for (counted &c : a->reals) c.at = 0.0;
        rgs_launch(backward ? "reverse" : "run", 1, RGI_TEAM, 0, nullptr, [&]() {
            if (backward) rgi_reverse_steps(&run, &pack, step_reals);
            else rgi_run_steps(&run, &pack, 0, pack.n_steps, step_reals);
        });
        const counted *status = (const counted *)(const void *)pack.status;
        if (!(status[0].v == 0.0)) {
            fprintf(stderr, "budget_count: the rod of %d vertices failed in step %g (flag %g)\n", n, status[1].v,
                    status[0].v);
            exit(1);
        }
        if (!backward) iterations = status[2].v;
    }
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
    rgi_pack pack;
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
    const int gets = 3 * fixed_vertices + 3 * fixed_edges + (m.reverse ? 3 * n : 0);
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
