/* budget/counted.h: a `real` that notes what is done with it, for the kernels on the CPU shim
 * (RGI_REAL_COUNT).
 *
 * Beside its value it carries the cycle at which a GPU would have it, if nothing but the operands of each
 * operation made it wait (count.cpp: latencies). A copy out of or into an array of the kernel is a load or a
 * store: addresses tell arrays from variables. */
#ifndef COUNTED_H
#define COUNTED_H

#include <cmath>

enum { COUNT_ADD, COUNT_MUL, COUNT_DIV, COUNT_ROOT, COUNT_COMPARE, COUNT_KINDS };

struct counted;
/* when the running thread has the value at `from`: a load, where that is an array's place */
double count_load(const counted *from);
void count_store(const counted *to);
/* one operation on operands that are there at a and b: when its result is */
double count_one(int kind, double a, double b);
/* a number of a caller's array of doubles, written */
void count_put(void);
/* a barrier of the running thread's team */
void count_barrier(unsigned mask);

struct counted {
    double v, at; /* value; when it is there [cycles] */
    counted() : v(0.0), at(0.0) {}
    counted(double x) : v(x), at(0.0) {}
    counted(double x, double when) : v(x), at(when) {}
    counted(const counted &o) : v(o.v), at(count_load(&o)) {}
    counted &operator=(const counted &o)
    {
        v = o.v;
        at = count_load(&o);
        count_store(this);
        return *this;
    }
    explicit operator double() const
    {
        count_put();
        return v;
    }
};

static inline counted operator+(counted a, counted b) { return {a.v + b.v, count_one(COUNT_ADD, a.at, b.at)}; }
static inline counted operator-(counted a, counted b) { return {a.v - b.v, count_one(COUNT_ADD, a.at, b.at)}; }
static inline counted operator*(counted a, counted b) { return {a.v * b.v, count_one(COUNT_MUL, a.at, b.at)}; }
static inline counted operator/(counted a, counted b) { return {a.v / b.v, count_one(COUNT_DIV, a.at, b.at)}; }
/* a sign is part of the operation that takes it in */
static inline counted operator-(counted a) { return {-a.v, a.at}; }
static inline counted &operator+=(counted &a, counted b) { return a = a + b; }
static inline counted &operator-=(counted &a, counted b) { return a = a - b; }
static inline counted counted_sqrt(counted a) { return {std::sqrt(a.v), count_one(COUNT_ROOT, a.at, a.at)}; }
static inline bool counted_less(counted a, counted b)
{
    (void)count_one(COUNT_COMPARE, a.at, b.at);
    return a.v < b.v;
}

/* what a shuffle copies */
struct counted_bits {
    double v, at;
};
/* the cycles that a shuffle takes */
double count_shuffle(double at);
counted_bits count_exchange(unsigned mask, counted_bits mine, int lane_mask);
static inline counted __shfl_xor_sync(unsigned mask, counted a, int lane_mask)
{
    const counted_bits from = count_exchange(mask, {a.v, a.at}, lane_mask);
    return {from.v, count_shuffle(a.at > from.at ? a.at : from.at)};
}

#endif
