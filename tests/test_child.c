/* test_child.c: work in a process of its own ends as it should, or is said to have ended otherwise. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "io/child.h"

static const rgi_child_limits limits = {.cpu_s = 1, .memory_bytes = (size_t)64 << 20};

static rgi_child start(void (*work)(int, void *), void *argument)
{
    rgi_child child;
    rg_error err = {0};
    if (rgi_child_start(work, argument, "for a test", &child, &err) != RG_OK) fail_msg("%s", err.text);
    rgi_child_expect(&child, limits);
    return child;
}

/* what work(.) ends with when one number is asked of it */
static void ends(void (*work)(int, void *), void *argument, const char *how)
{
    char text[128];
    int number = 0;
    rgi_child child = start(work, argument);
    assert_int_equal(rgi_child_read(&child, &number, sizeof number), 0);
    rgi_child_end(&child, text, sizeof text);
    if (!strstr(text, how)) fail_msg("\"%s\" instead of \"%s\"", text, how);
}

static void by_signal(int fd, void *number)
{
    (void)fd;
    raise(*(int *)number);
}

static void by_exit(int fd, void *number)
{
    (void)fd;
    _exit(*(int *)number);
}

static void at_once(int fd, void *unused)
{
    (void)fd;
    (void)unused;
}

static void endless(int fd, void *unused)
{
    (void)fd;
    (void)unused;
    rgi_child_limit(limits);
    for (volatile unsigned long n = 0;; n++) continue;
}

static void asleep(int fd, void *unused)
{
    (void)fd;
    (void)unused;
    for (;;) pause();
}

static void hungry(int fd, void *unused)
{
    (void)fd;
    (void)unused;
    rgi_child_limit(limits);
    for (;;) {
        char *more = malloc((size_t)1 << 20);
        if (!more) _exit(7);
        memset(more, 1, (size_t)1 << 20);
    }
}

static void writes_a_file(int fd, void *unused)
{
    (void)fd;
    (void)unused;
    FILE *stream = fopen("child-test-file", "wb");
    if (!stream) return;
    fputs("text", stream);
    fclose(stream);
}

static void answers(int fd, void *unused)
{
    (void)unused;
    for (;;) {
        uint64_t n = 0;
        rgi_child_hear(fd, &n, sizeof n);
        rgi_child_limit(limits);
        unsigned char *bytes = malloc(n);
        if (!bytes) return;
        for (size_t i = 0; i < n; i++) bytes[i] = (unsigned char)(i * i + n);
        rgi_child_reply(fd, bytes, n);
        free(bytes);
    }
}

static void ignored(int s) { (void)s; }

/* the caller's handlers and its mask are not the child's */
static void child_ends(void **state)
{
    (void)state;
    static int signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL}, codes[] = {0, 1, 77};
    char how[64];
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        void (*before)(int) = signal(signals[i], ignored);
        if (i > 0) sigprocmask(SIG_BLOCK, &all, &old);
        snprintf(how, sizeof how, "signal %d", signals[i]);
        ends(by_signal, &signals[i], how);
        if (i > 0) sigprocmask(SIG_SETMASK, &old, NULL);
        signal(signals[i], before);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        snprintf(how, sizeof how, "exit code %d", codes[i]);
        ends(by_exit, &codes[i], how);
    }
    ends(at_once, NULL, "exit code 0");
    /* who ignores that children end is not told how */
    signal(SIGCHLD, SIG_IGN);
    ends(by_signal, &signals[0], "not known");
    signal(SIGCHLD, SIG_DFL);
}

static void child_is_limited(void **state)
{
    (void)state;
    ends(endless, NULL, "time that the file's size allows");
    /* malloc returns NULL; a sanitizer's ends the process, or is late with its report */
    ends(hungry, NULL, "it ");
    ends(writes_a_file, NULL, "signal");
    unlink("child-test-file");
}

static void child_is_late(void **state)
{
    (void)state;
    char text[128];
    int number = 0;
    rgi_child child = start(asleep, NULL);
    rgi_child_expect(&child, (rgi_child_limits){0, 0});
    assert_int_equal(rgi_child_read(&child, &number, sizeof number), 0);
    rgi_child_end(&child, text, sizeof text);
    assert_non_null(strstr(text, "time that the file's size allows"));
}

/* bytes arrive whole and in order, one piece of work after the other */
static void child_answers(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 0, 8, 65536, 3000001, 5};
    char text[128];
    rgi_child child = start(answers, NULL);
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const uint64_t n = sizes[k];
        unsigned char *bytes = malloc(n + 1);
        assert_non_null(bytes);
        rgi_child_expect(&child, limits);
        assert_int_equal(rgi_child_send(&child, &n, sizeof n), 1);
        assert_int_equal(rgi_child_read(&child, bytes, n), 1);
        for (size_t i = 0; i < n; i++) assert_int_equal(bytes[i], (unsigned char)(i * i + n));
        free(bytes);
    }
    rgi_child_end(&child, text, sizeof text);
    assert_string_equal(text, "it said something else than it should");
    assert_int_equal(child.fd, -1);
}

/* speaking to one that is gone is an error, not a signal */
static void child_is_gone(void **state)
{
    (void)state;
    char text[128];
    static const char much[1 << 20];
    rgi_child child = start(at_once, NULL);
    int sent = 1;
    for (int i = 0; i < 100 && sent; i++) sent = rgi_child_send(&child, much, sizeof much);
    assert_int_equal(sent, 0);
    rgi_child_end(&child, text, sizeof text);
}

static void child_cannot_be(void **state)
{
    (void)state;
    struct rlimit old, none;
    rgi_child child;
    rg_error err = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const rg_status status = rgi_child_start(at_once, NULL, "for a test", &child, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(status, RG_ERR_IO);
    assert_non_null(strstr(err.text, "for a test: "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(child_ends),    cmocka_unit_test(child_is_limited), cmocka_unit_test(child_is_late),
        cmocka_unit_test(child_answers), cmocka_unit_test(child_is_gone),    cmocka_unit_test(child_cannot_be),
    };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
