/* test_bench_flops/counted.h: a `real` that counts what is done with it (RGI_REAL_COUNT), and is nothing but
 * a double in memory, so that the library's packs can be run in it. */
#ifndef COUNTED_H
#define COUNTED_H

#include <cmath>

/* sums, differences, products, quotients and roots so far */
extern double counted_operations;

struct counted {
    double v;
    counted() = default;
    counted(double x) : v(x) {}
    explicit operator double() const { return v; }
};

static inline counted counted_one(double v)
{
    counted_operations += 1.0;
    return counted(v);
}
static inline counted operator+(counted a, counted b) { return counted_one(a.v + b.v); }
static inline counted operator-(counted a, counted b) { return counted_one(a.v - b.v); }
static inline counted operator*(counted a, counted b) { return counted_one(a.v * b.v); }
static inline counted operator/(counted a, counted b) { return counted_one(a.v / b.v); }
/* a sign is part of the operation that takes it in */
static inline counted operator-(counted a) { return counted(-a.v); }
static inline counted &operator+=(counted &a, counted b) { return a = a + b; }
static inline counted &operator-=(counted &a, counted b) { return a = a - b; }
static inline counted &operator*=(counted &a, counted b) { return a = a * b; }
static inline counted counted_sqrt(counted a) { return counted_one(std::sqrt(a.v)); }
static inline bool counted_less(counted a, counted b) { return a.v < b.v; }

#endif
