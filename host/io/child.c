/* io/child.c: see child.h. */
#include "io/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* All bytes, or 0: the other side is gone. No signal is raised for that. */
static int send_all(int fd, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        const ssize_t n = send(fd, from, size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        from += n;
        size -= (size_t)n;
    }
    return 1;
}

/* ---- in the child ---- */

/* the soft limit, which may be raised again */
static void limit(int resource, unsigned long long most)
{
    struct rlimit now;
    if (getrlimit(resource, &now) != 0) return;
    now.rlim_cur = now.rlim_max == RLIM_INFINITY || now.rlim_max > most ? (rlim_t)most : now.rlim_max;
    (void)setrlimit(resource, &now);
}

/* Address space in use [bytes], 0 where the system does not say. Under a sanitizer it is terabytes: only what comes
 * on top can be limited. */
static size_t address_space(void)
{
    unsigned long long pages = 0;
    FILE *stream = fopen("/proc/self/statm", "r");
    if (!stream) return 0;
    if (fscanf(stream, "%llu", &pages) != 1) pages = 0;
    fclose(stream);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void rgi_child_limit(rgi_child_limits limits)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        limit(RLIMIT_CPU, (unsigned long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1 + limits.cpu_s));
    const size_t used = address_space();
    if (used > 0 && limits.memory_bytes <= (size_t)-1 - used) limit(RLIMIT_AS, used + limits.memory_bytes);
}

/* Nothing of the caller's may act here: its signal handlers would take a crash for the caller's own, and a library's
 * last words on stderr are not the program's. An interrupt is for the caller, which then ends the child. */
static void isolate(void)
{
    static const int callers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigset_t none;
    for (int s = 1; s < NSIG; s++) (void)signal(s, SIG_DFL);
    for (size_t i = 0; i < sizeof callers / sizeof *callers; i++) (void)signal(callers[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const int nowhere = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3 && nowhere >= 0; fd++) (void)dup2(nowhere, fd);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
}

void rgi_child_reply(int fd, const void *bytes, size_t size)
{
    if (!send_all(fd, bytes, size)) _exit(1);
}

void rgi_child_hear(int fd, void *bytes, size_t size)
{
    char *to = bytes;
    while (size > 0) {
        const ssize_t n = read(fd, to, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) _exit(0);
        to += n;
        size -= (size_t)n;
    }
}

/* ---- in the caller ---- */

rg_status rgi_child_start(void (*work)(int, void *), void *argument, const char *what, rgi_child *out, rg_error *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return RG_FAIL(err, RG_ERR_IO, "there can be no socket %s: %s.", what, strerror(errno));
    /* the child's end must not be 0, 1 or 2, which it gives up */
    const int theirs = ends[1] > 2 ? ends[1] : fcntl(ends[1], F_DUPFD, 3);
    if (theirs != ends[1]) close(ends[1]);
    const pid_t pid = theirs < 0 ? -1 : fork();
    if (pid < 0) {
        const int reason = errno;
        close(ends[0]);
        if (theirs >= 0) close(theirs);
        return RG_FAIL(err, RG_ERR_IO, "there can be no process %s: %s.", what, strerror(reason));
    }
    if (pid == 0) {
        close(ends[0]);
        isolate();
        work(theirs, argument);
        /* not exit(): the caller's buffers and exit handlers are the caller's to run */
        _exit(0);
    }
    close(theirs);
    (void)fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    *out = (rgi_child){.pid = pid, .fd = ends[0], .deadline = now_s()};
    return RG_OK;
}

void rgi_child_expect(rgi_child *child, rgi_child_limits limits) { child->deadline = now_s() + 10.0 * limits.cpu_s; }

int rgi_child_send(rgi_child *child, const void *bytes, size_t size)
{
    if (!child->gone && !send_all(child->fd, bytes, size)) child->gone = 1;
    return !child->gone;
}

int rgi_child_read(rgi_child *child, void *bytes, size_t size)
{
    char *to = bytes;
    while (size > 0 && !child->gone && !child->late) {
        const double left = child->deadline - now_s();
        struct pollfd ready = {.fd = child->fd, .events = POLLIN};
        const int some = left > 0.0 ? poll(&ready, 1, left < 3600.0 ? (int)(1e3 * left) + 1 : 3600000) : 0;
        if (some == 0) child->late = !(child->deadline > now_s());
        if (some == 0 || (some < 0 && errno == EINTR)) continue;
        const ssize_t n = read(child->fd, to, size);
        if (n < 0 && errno == EINTR) continue;
        child->gone = n <= 0;
        if (n <= 0) break;
        to += n;
        size -= (size_t)n;
    }
    return size == 0;
}

void rgi_child_end(rgi_child *child, char *text, size_t room)
{
    int status = 0;
    pid_t got;
    /* one that has closed its end is ending by itself */
    if (!child->gone) kill(child->pid, SIGKILL);
    close(child->fd);
    do got = waitpid(child->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    const int signal_of = got > 0 && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (child->late || signal_of == SIGXCPU)
        snprintf(text, room, "it did not come to an end in the time that the file's size allows");
    else if (!child->gone) snprintf(text, room, "it said something else than it should");
    else if (signal_of)
        snprintf(text, room, "it was ended by signal %d%s", signal_of,
                 signal_of == SIGKILL ? " (is memory short?)" : "");
    else if (got > 0) snprintf(text, room, "it ended with exit code %d", WEXITSTATUS(status));
    else snprintf(text, room, "how it ended is not known");
    *child = (rgi_child){.fd = -1};
}
