/* io/atomic_file.c: temporary file, fsync, rename.
 *
 * The temporary file lies in the target's folder, because a rename is atomic only within one file
 * system. It is created exclusively and with the permissions the target has or would get. */
#include "io/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* leftovers of killed processes with the same id can occupy a few names, never this many */
enum { NAME_ATTEMPTS = 1000 };

static void release(rgi_atomic_file *file)
{
    free(file->temporary);
    free(file->target);
    memset(file, 0, sizeof *file);
}

/* The folder part of a path, allocated; "." when there is none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return strdup(".");
    if (slash == path) return strdup("/");
    return strndup(path, (size_t)(slash - path));
}

/* The file to replace: `path`, or what it points to when it is a link, so that the link stays. */
static char *resolve_target(const char *path)
{
    struct stat info;
    if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode)) {
        char *resolved = realpath(path, NULL);
        if (resolved != NULL || errno != ENOENT) return resolved;
    }
    return strdup(path);
}

/* A new, empty file beside the target; its descriptor, or -1 with errno set. */
static int create_beside(rgi_atomic_file *file, mode_t mode)
{
    size_t size = strlen(file->target) + 48;
    file->temporary = malloc(size);
    if (file->temporary == NULL) {
        errno = ENOMEM;
        return -1;
    }
    for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        snprintf(file->temporary, size, "%s.%ld-%d.tmp", file->target, (long)getpid(), attempt);
        int fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

rg_status rgi_atomic_open(rgi_atomic_file *file, const char *path, int with_stream, rg_error *err)
{
    memset(file, 0, sizeof *file);
    if (path == NULL || path[0] == '\0') {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the output path is empty; name a file to write.");
    }
    file->target = resolve_target(path);
    if (file->target == NULL) {
        rg_status status = errno == ENOMEM ? RG_ERR_MEMORY : RG_ERR_IO;
        return RG_FAIL(err, status, "%s cannot be written: %s.", path, strerror(errno));
    }

    struct stat info;
    int exists = stat(file->target, &info) == 0;
    if (exists && !S_ISREG(info.st_mode)) {
        release(file);
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%s cannot be written: it exists and is not a regular file; name another.",
                       path);
    }
    if (exists && access(file->target, W_OK) != 0) {
        int reason = errno;
        release(file);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
    }

    int fd = create_beside(file, 0666);
    if (fd < 0) {
        int reason = errno;
        release(file);
        if (reason == ENOMEM) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory writing %s.", path);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
    }
    /* the replaced file's permissions stay; where that is refused the default ones will do */
    if (exists && fchmod(fd, info.st_mode & 07777) != 0) errno = 0;

    if (with_stream) {
        file->stream = fdopen(fd, "w+b");
        if (file->stream == NULL) {
            int reason = errno;
            close(fd);
            rgi_atomic_abort(file);
            return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
        }
        return RG_OK;
    }
    if (close(fd) != 0) {
        int reason = errno;
        rgi_atomic_abort(file);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
    }
    return RG_OK;
}

/* Make the stream's bytes durable and close it; 0 or errno. */
static int finish_stream(rgi_atomic_file *file)
{
    FILE *stream = file->stream;
    file->stream = NULL;
    int failed = ferror(stream);
    int reason = 0;
    errno = 0;
    if (fflush(stream) != 0 || fsync(fileno(stream)) != 0) reason = errno != 0 ? errno : EIO;
    errno = 0;
    if (fclose(stream) != 0 && reason == 0) reason = errno != 0 ? errno : EIO;
    /* an earlier short write whose errno is gone: fflush may succeed after it */
    if (failed && reason == 0) reason = EIO;
    return reason;
}

/* fsync a file or folder by its path; 0 or errno. */
static int sync_path(const char *path, int flags)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    if (fd < 0) return errno;
    int reason = fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && reason == 0) reason = errno;
    return reason;
}

rg_status rgi_atomic_commit(rgi_atomic_file *file, rg_error *err)
{
    if (file->temporary == NULL) { return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no open output file to commit."); }
    int reason = file->stream != NULL ? finish_stream(file) : sync_path(file->temporary, 0);
    if (reason == 0 && rename(file->temporary, file->target) != 0) reason = errno;
    if (reason != 0) {
        RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", file->target, strerror(reason));
        rgi_atomic_abort(file);
        return RG_ERR_IO;
    }

    /* the rename is durable once the folder is; some file systems cannot sync one and need not */
    char *folder = folder_of(file->target);
    reason = folder == NULL ? ENOMEM : sync_path(folder, O_DIRECTORY);
    free(folder);
    rg_status status = RG_OK;
    if (reason != 0 && reason != EINVAL && reason != EACCES && reason != EROFS) {
        status = RG_FAIL(err, RG_ERR_IO, "%s was written, but its folder cannot be synced: %s.", file->target,
                         strerror(reason));
    }
    release(file);
    return status;
}

void rgi_atomic_abort(rgi_atomic_file *file)
{
    if (file == NULL) return;
    if (file->stream != NULL) fclose(file->stream);
    if (file->temporary != NULL) unlink(file->temporary);
    release(file);
}

rg_status rgi_atomic_write(const char *path, const void *bytes, size_t size, rg_error *err)
{
    rgi_atomic_file file;
    RG_TRY(rgi_atomic_open(&file, path, 1, err));
    if (size > 0 && fwrite(bytes, 1, size, file.stream) != size) {
        int reason = errno;
        rgi_atomic_abort(&file);
        return RG_FAIL(err, RG_ERR_IO, "%s cannot be written: %s.", path, strerror(reason));
    }
    return rgi_atomic_commit(&file, err);
}
