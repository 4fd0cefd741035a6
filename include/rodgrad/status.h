/* rodgrad/status.h: what a call returns, and the sentence that explains a failure.
 *
 * Every fallible function returns an rg_status. Where it takes an rg_error, it also leaves there a
 * sentence that names the file, field or value at fault and says what to do. An rg_error belongs to
 * its caller, so two threads with two rg_error objects never share anything. */
#ifndef RODGRAD_STATUS_H
#define RODGRAD_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/* name, code, text. Codes are never renumbered; a retired one keeps its number. */
#define RG_STATUS_LIST(X)                                                                                              \
    X(RG_OK, 0, "ok")                                                                                                  \
    X(RG_ERR_ARGUMENT, 1, "an argument is not allowed")                                                                \
    X(RG_ERR_MEMORY, 2, "out of memory")                                                                               \
    X(RG_ERR_SHAPE, 3, "sizes do not fit together")                                                                    \
    X(RG_ERR_VALUE, 4, "a value is out of range or not finite")                                                        \
    X(RG_ERR_IO, 5, "a file cannot be read or written")                                                                \
    X(RG_ERR_FORMAT, 6, "a file's contents are not what its format promises")                                          \
    X(RG_ERR_UNSUPPORTED, 7, "not supported by this build or for this input")                                          \
    X(RG_ERR_NOT_CONVERGED, 8, "the job ran but did not converge")                                                     \
    X(RG_ERR_INTERRUPTED, 9, "interrupted on request")                                                                 \
    X(RG_ERR_NUMERIC, 10, "a linear algebra routine failed")                                                           \
    X(RG_ERR_DEVICE, 11, "a GPU call failed")

typedef enum rg_status {
#define RG_STATUS_ENUM(name, code, text) name = code,
    RG_STATUS_LIST(RG_STATUS_ENUM)
#undef RG_STATUS_ENUM
} rg_status;

/* The last failure of whoever owns it. Zero-initialise before first use. */
typedef struct rg_error {
    rg_status status;
    int line;         /* source line that raised it */
    const char *file; /* source file that raised it (static storage) */
    char text[768];   /* one sentence, no newline; empty when status is RG_OK */
} rg_error;

/* The fixed text of a status, never NULL. Thread-safe. */
const char *rg_status_text(rg_status status);

/* Fill *err (ignored when NULL) with a printf-style sentence and return `status`.
 * Use the RG_FAIL macro, which adds the place. Thread-safe for distinct err. */
rg_status rg_error_set(rg_error *err, rg_status status, const char *file, int line, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 5, 6)))
#endif
    ;

#define RG_FAIL(err, status, ...) rg_error_set((err), (status), __FILE__, __LINE__, __VA_ARGS__)
#define RG_TRY(call)                                                                                                   \
    do {                                                                                                               \
        rg_status rg_try_status = (call);                                                                              \
        if (rg_try_status != RG_OK) return rg_try_status;                                                              \
    } while (0)

#ifdef __cplusplus
}
#endif
#endif
