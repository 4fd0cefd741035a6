/* io/checkpoint.c: see checkpoint.h. */
#include "io/checkpoint.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"

static const char magic[] = "rodgrad-checkpoint 1\n";
enum { HASH_DIGITS = 64 };

static int hash(const unsigned char *bytes, size_t size, char *hex)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!EVP_Digest(bytes, size, digest, &length, EVP_sha256(), NULL) || length != HASH_DIGITS / 2) return 0;
    for (unsigned i = 0; i < length; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return 1;
}

rg_status rgi_checkpoint_save(const char *path, const char *key, const double *numbers, size_t count, rg_error *err)
{
    const size_t room = sizeof magic + strlen(key) + 32 + count * sizeof *numbers + HASH_DIGITS + 1;
    char *bytes = malloc(room);
    if (!bytes) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the checkpoint %s.", path);
    size_t used = (size_t)snprintf(bytes, room, "%s%s\n%zu\n", magic, key, count);
    memcpy(bytes + used, numbers, count * sizeof *numbers);
    used += count * sizeof *numbers;
    rg_status status = hash((unsigned char *)bytes, used, bytes + used)
                           ? rgi_atomic_write(path, bytes, used + HASH_DIGITS, err)
                           : RG_FAIL(err, RG_ERR_NUMERIC, "SHA-256 of the checkpoint %s failed.", path);
    free(bytes);
    return status;
}

static rg_status read_all(const char *path, char **bytes, size_t *size, rg_error *err)
{
    FILE *stream = fopen(path, "rb");
    *bytes = NULL;
    *size = 0;
    if (!stream) {
        if (errno == ENOENT) return RG_OK;
        return RG_FAIL(err, RG_ERR_IO, "cannot read the checkpoint %s: %s.", path, strerror(errno));
    }
    rg_status status = RG_OK;
    size_t capacity = 1 << 16, got = 0;
    char *data = malloc(capacity);
    while (data && (got = fread(data + *size, 1, capacity - *size, stream)) > 0) {
        *size += got;
        if (*size < capacity) continue;
        char *more = realloc(data, capacity *= 2);
        if (!more) free(data);
        data = more;
    }
    if (!data) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the checkpoint %s.", path);
    else if (ferror(stream))
        status = RG_FAIL(err, RG_ERR_IO, "cannot read the checkpoint %s: %s.", path, strerror(errno));
    fclose(stream);
    if (status != RG_OK) {
        free(data);
        data = NULL;
    }
    *bytes = data;
    return status;
}

rg_status rgi_checkpoint_load(const char *path, const char *key, double **numbers, size_t *count, rg_error *err)
{
    char *bytes = NULL, hex[HASH_DIGITS + 1];
    size_t size = 0;
    *numbers = NULL;
    *count = 0;
    RG_TRY(read_all(path, &bytes, &size, err));
    if (!bytes) return RG_OK;
    rg_status status = RG_OK;
    const size_t head = sizeof magic - 1;
    if (size < head + HASH_DIGITS || memcmp(bytes, magic, head) != 0 ||
        !hash((unsigned char *)bytes, size - HASH_DIGITS, hex) ||
        memcmp(hex, bytes + size - HASH_DIGITS, HASH_DIGITS) != 0) {
        status = RG_FAIL(err, RG_ERR_FORMAT, "the checkpoint %s is damaged; delete it to start the job anew.", path);
        goto done;
    }
    const char *line = bytes + head, *end = memchr(line, '\n', size - head);
    if (!end || (size_t)(end - line) != strlen(key) || memcmp(line, key, strlen(key)) != 0) goto done;
    char *after = NULL;
    unsigned long long n = strtoull(end + 1, &after, 10);
    size_t offset = (size_t)(after - bytes) + 1;
    if (*after != '\n' || n != (size - HASH_DIGITS - offset) / sizeof(double)) {
        status = RG_FAIL(err, RG_ERR_FORMAT, "the checkpoint %s is damaged; delete it to start the job anew.", path);
        goto done;
    }
    *numbers = malloc((size_t)n * sizeof **numbers + 1);
    if (!*numbers) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the checkpoint %s.", path);
        goto done;
    }
    memcpy(*numbers, bytes + offset, (size_t)n * sizeof **numbers);
    *count = (size_t)n;
done:
    free(bytes);
    return status;
}
