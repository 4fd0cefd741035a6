/* series.h: numbers of the caller's series (pack.h), doubles or floats, into reals and out of them.
 *
 * Numbers are gathered lane by lane; lanes not in use repeat the first and put out nothing. Each function is its loop
 * twice, for doubles and for floats, so that it is called (RG_APART). */
#ifndef RGI_SERIES_H
#define RGI_SERIES_H

#include "pack.h"
#include "real/real.h"

RG_DISSOLVED void rgi_get_row_of(const rgi_series_in *a, const int single, int rods, int step, int count,
                                 const int *nodes, int width, int apart, real *to)
{
    ptrdiff_t first[RGI_LANES];
    for (int i = 0; i < RGI_LANES; i++) first[i] = step * a->step + (i < rods ? i : 0) * a->rod;
    RG_TEAM_FOR(k, 0, count)
        for (int c = 0; c < width; c++) {
            real r;
            for (int i = 0; i < RGI_LANES; i++)
                RG_LANE(r, i) = (rg_scalar)rgi_number_get(a->data, single, first[i] + width * k + c);
            to[apart * (nodes ? nodes[k] : k) + c] = r;
        }
}
/* a row of `width` numbers for each of count nodes (NULL: the first ones), node j's into to[apart j] and on */
RG_APART void rgi_get_row(const rgi_series_in *a, int rods, int step, int count, const int *nodes, int width, int apart,
                          real *to)
{
    if (a->single) rgi_get_row_of(a, 1, rods, step, count, nodes, width, apart, to);
    else rgi_get_row_of(a, 0, rods, step, count, nodes, width, apart, to);
}
RG_APART real rgi_get(const rgi_series_in *a, int rods, int step, int item)
{
    real r;
    const ptrdiff_t at = step * a->step + item;
    if (a->single) {
        for (int i = 0; i < RGI_LANES; i++)
            RG_LANE(r, i) = (rg_scalar)rgi_number_get(a->data, 1, at + (i < rods ? i : 0) * a->rod);
    } else {
        for (int i = 0; i < RGI_LANES; i++)
            RG_LANE(r, i) = (rg_scalar)rgi_number_get(a->data, 0, at + (i < rods ? i : 0) * a->rod);
    }
    return r;
}
/* count items from `item` on, by one lane of a team, and a whole row of count items by all of them */
RG_APART void rgi_put_items(const rgi_series_out *a, int rods, int step, int item, int count, const real *values)
{
    for (int i = 0; i < rods && i < RGI_LANES; i++) {
        const ptrdiff_t at = step * a->step + item + i * a->rod;
        if (a->single) {
            for (int k = 0; k < count; k++) rgi_number_put(a->data, 1, at + k, (rg_number)RG_LANE(values[k], i));
        } else {
            for (int k = 0; k < count; k++) rgi_number_put(a->data, 0, at + k, (rg_number)RG_LANE(values[k], i));
        }
    }
}
RG_APART void rgi_put_row(const rgi_series_out *a, int rods, int step, int count, const real *values)
{
    for (int i = 0; i < rods && i < RGI_LANES; i++) {
        const ptrdiff_t at = step * a->step + i * a->rod;
        if (a->single) {
            RG_TEAM_FOR(k, 0, count) rgi_number_put(a->data, 1, at + k, (rg_number)RG_LANE(values[k], i));
        } else {
            RG_TEAM_FOR(k, 0, count) rgi_number_put(a->data, 0, at + k, (rg_number)RG_LANE(values[k], i));
        }
    }
}
RG_FN void rgi_put(const rgi_series_out *a, int rods, int step, int item, real value)
{
    rgi_put_items(a, rods, step, item, 1, &value);
}
RG_FN void rgi_put_many(const rgi_series_out *a, int rods, int step, int count, const real *values)
{
    if (a->data) rgi_put_row(a, rods, step, count, values);
}

#endif
