/* pack_members.h: the members of a pack, included where a struct of them is declared (no guard).
 *
 * RGI_ARRAY_NUMBER, RGI_ARRAY_IN, RGI_ARRAY_IO say what an array of that kind is there (RGI_PACK_ARRAYS), RGI_ARRAY_OWN
 * what an array of reals is that only packs look at. All are pointers, so that every such struct has one layout. */
/* shape */
int n;    /* vertices */
int rods; /* lanes in use; the others repeat the first for no step */
int n_markers, n_fixed_x, n_fixed_theta, n_free;
const unsigned char *fixed; /* [n] */
#define RGI_MEMBER(name, count) const int *name;
RGI_PACK_INTS(RGI_MEMBER)
#undef RGI_MEMBER
/* scheme */
double h, gravity[3], tolerance;
int deform, bdf2, still, normalised, max_iterations, sweeps;
int continues;         /* past steps that Newton has not solved within its limit */
double deadline;       /* of one step's Newton iterations [s], with clock */
double (*clock)(void); /* the host's time [s], or NULL; a device looks at none */
int substeps;          /* steps of a frame */
int n_steps;           /* of the longest rod; a multiple of substeps */
/* tangents; series of direction q begin q * all_rods rods further on than those of direction 0 */
int n_directions, all_rods;
const int *entry_begin; /* [n_directions + 1] */
const rgi_pack_entry *entries;
RGI_ARRAY_OWN entry_values; /* [entries][W] */
/* loss and normal equations, with n_directions > 0 and `recorded` set */
double floor; /* of the loss [m] */
int block;    /* frames in a block of gradients */
/* W = 1: instead of normal and gradients, the factors they are products of, for one block of frames:
 * rows sqrt(W) J of direction q from rows + q * rows_apart on, sqrt(W) r after the last direction;
 * doubles */
double *rows;
ptrdiff_t rows_apart;
/* Where every step ended, for a run with directions of the same parameters after one without: it need not
 * solve the steps again. Implicit stepper only. NULL: not kept */
RGI_ARRAY_OWN trace; /* [n_steps][6 n + 1][W] */
int retrace;         /* go along it; the status stays */
/* the reverse run */
const rgi_plan *plan; /* NULL: forward only */
RGI_ARRAY_OWN kept;   /* [rgi_plan_kept][W]: what the forward run leaves behind */
RGI_ARRAY_OWN pool;   /* [rgi_plan_pool][W]: scratch, the thread's */
int bar;              /* RGI_BAR_... */
int window;           /* steps after which the state's cotangent is dropped; 0: never */
int want_coef, want_start;
int growth_every;        /* steps between rows of growth */
RGI_ARRAY_OWN workspace; /* rgi_pack_workspace_<isa> doubles */
#define RGI_MEMBER(name, section, wanted, kind, count) RGI_ARRAY_##kind name;
RGI_PACK_ARRAYS(RGI_MEMBER)
#undef RGI_MEMBER
#define RGI_MEMBER(name, rows, width, source, ...) RGI_SERIES_##source name;
RGI_PACK_SERIES(RGI_MEMBER)
#undef RGI_MEMBER
