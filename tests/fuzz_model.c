/* fuzz_model.c: any bytes as model.json: refused with a sentence, or a model that passes its check
 * and is the same after printing and reading again. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_print.h"
#include "io/model_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz_model: %s\n", what);
    abort();
}

/* the document printed for people still says the same */
static void check_printing(const char *text, size_t size)
{
    json_error_t problem;
    json_t *document = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    if (!document) return;
    char *printed = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&printed, &length);
    require(stream != NULL, "no memory");
    require(rgi_json_print(stream, document), "printing failed");
    fclose(stream);
    json_t *back = json_loadb(printed, length, JSON_REJECT_DUPLICATES, &problem);
    require(back != NULL && json_equal(document, back), "printing changed the document");
    json_decref(back);
    json_decref(document);
    free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    rgi_model_file file;
    rg_error err = {0};
    const char *text = (const char *)data;
    rg_status status = rgi_model_file_parse(text, size, "fuzz.json", &file, &err);
    if (status == RG_OK) {
        require(rg_model_check(file.model, NULL) == RG_OK, "an invalid model was accepted");
        require(file.dt_s > 0 && file.rollout.substeps > 0, "a bad setting was accepted");
    } else {
        require(file.model == NULL && file.fit == NULL, "a refused file left something behind");
        require(err.status == status && err.text[0] != '\0' && !strchr(err.text, '\n'), "a refusal without a sentence");
    }
    rgi_model_file_clear(&file);
    check_printing(text, size);
    return 0;
}
