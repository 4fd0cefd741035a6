/* fuzz_replay.c: the main of a fuzz target where libFuzzer is not linked in: every file of the kept
 * corpus goes through the target once. Arguments: files and folders. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "fuzz_replay: cannot open %s\n", path);
        return 1;
    }
    /* exactly as large as the input, so that a sanitizer sees a read past its end */
    uint8_t *data = NULL;
    size_t size = 0, got;
    uint8_t chunk[65536];
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0) {
        uint8_t *larger = realloc(data, size + got);
        if (!larger) abort();
        data = larger;
        memcpy(data + size, chunk, got);
        size += got;
    }
    fclose(file);
    if (!data) data = malloc(1); /* an empty input still has an address */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0, count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (!folder) {
            failed |= replay_file(argv[i]);
            count++;
            continue;
        }
        for (struct dirent *entry; (entry = readdir(folder));) {
            char path[4096];
            if (entry->d_name[0] == '.') continue;
            int n = snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (n < 0 || (size_t)n >= sizeof path) failed = 1;
            else failed |= replay_file(path);
            count++;
        }
        closedir(folder);
    }
    printf("%d inputs\n", count);
    return failed || count == 0;
}
