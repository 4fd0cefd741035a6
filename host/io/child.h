/* io/child.h: work in a process of its own, which is spoken with over a socket.
 *
 * It is for libraries that a damaged file can crash, send into an endless loop or make take all memory: the child does,
 * and the caller is told how it ended. The child is a fork: it sees the caller's memory as it was, and nothing that it
 * writes there comes back. Of the caller's threads it has only the one that called, so its work must not wait for
 * a lock that another thread may hold; malloc is safe (glibc sees to its locks), and so are batches (threads/pool.h).
 */
#ifndef RGI_CHILD_H
#define RGI_CHILD_H

#include <stddef.h>
#include <sys/types.h>

#include "rodgrad/status.h"

/* of one piece of work */
typedef struct rgi_child_limits {
    int cpu_s;           /* processor time [s]; after ten times as much the caller no longer waits */
    size_t memory_bytes; /* address space on top of what is in use; not limited where the system does not tell that */
} rgi_child_limits;

typedef struct rgi_child {
    pid_t pid;
    int fd;
    double deadline; /* of the work that it is at, on the monotonic clock [s] */
    int late, gone;  /* the deadline has passed; the child has closed its end */
} rgi_child;

/* Run work(fd, argument) in a child that ends when it returns. The child's output goes nowhere and it writes no file.
 * RG_ERR_IO when there can be no child; `what` is its purpose, for the sentence. After RG_OK rgi_child_end must be
 * called. Thread-safe. */
rg_status rgi_child_start(void (*work)(int fd, void *argument), void *argument, const char *what, rgi_child *out,
                          rg_error *err);
/* Send or wait for exactly `size` bytes; 0 when the child has ended, or was late. */
int rgi_child_send(rgi_child *child, const void *bytes, size_t size);
int rgi_child_read(rgi_child *child, void *bytes, size_t size);
/* The work that is sent next has these limits: the child has to call rgi_child_limit when it begins it. */
void rgi_child_expect(rgi_child *child, rgi_child_limits limits);
/* End the child if it still runs, and release what belongs to it. text (of `room` bytes) says how it ended, as in "it
 * was ended by signal 11". */
void rgi_child_end(rgi_child *child, char *text, size_t room);

/* In the child. It ends where the caller no longer speaks with it. */
void rgi_child_limit(rgi_child_limits limits);
void rgi_child_reply(int fd, const void *bytes, size_t size);
void rgi_child_hear(int fd, void *bytes, size_t size);

#endif
