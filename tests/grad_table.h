/* grad_table.h: the worst figures of the derivative checks, gathered from all tests into one table.
 *
 * A test labelled grad calls grad_record once per row; the row goes into a file of its own in the
 * folder that RODGRAD_GRAD_TABLE names (tests/CMakeLists.txt sets it), nowhere when it is unset.
 * grad_table.sh merges the rows and holds them against their bars and against the rows that must be
 * there (grad_rows.txt). */
#ifndef GRAD_TABLE_H
#define GRAD_TABLE_H

/* what a figure must be: the bar holds on that side, or the figure is only stated */
typedef enum grad_sense { GRAD_AT_MOST, GRAD_AT_LEAST, GRAD_STATED } grad_sense;

void grad_record(const char *check, const char *over, double worst, double bar, grad_sense sense);
/* the row was not measured: why (a sanitized build, ...) */
void grad_skip(const char *check, const char *over, const char *why);

/* of bytes where two arrays ought to be equal: recorded as 0 <= 0 */
void grad_record_bitwise(const char *check, const char *over, double differing);

#endif
