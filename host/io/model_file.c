/* io/model_file.c: model.json for embedders: model_json.h, with the "fit" object as text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/json_print.h"
#include "io/model_json.h"
#include "rodgrad/io.h"

/* NULL without memory; owned: free() */
static char *print_text(json_t *value)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream) return NULL;
    int ok = rgi_json_print(stream, value);
    ok = fclose(stream) == 0 && ok;
    if (ok) return text;
    free(text);
    return NULL;
}

rg_status rg_model_file_read(const char *path, rg_model_file *out, rg_error *err)
{
    memset(out, 0, sizeof *out);
    if (!path) return RG_FAIL(err, RG_ERR_ARGUMENT, "no model file is named.");
    rgi_model_file file;
    RG_TRY(rgi_model_file_load(path, &file, err));
    char *fit = file.fit ? print_text(file.fit) : NULL;
    if (file.fit && !fit) {
        rgi_model_file_clear(&file);
        return RG_FAIL(err, RG_ERR_MEMORY, "%s: no memory for the model file.", path);
    }
    json_decref(file.fit);
    *out = (rg_model_file){.model = file.model, .rollout = file.rollout, .dt_s = file.dt_s, .fit = fit};
    return RG_OK;
}

rg_status rg_model_file_write(const char *path, const rg_model_file *file, rg_error *err)
{
    if (!path || !file || !file->model) return RG_FAIL(err, RG_ERR_ARGUMENT, "a model file needs a path and a model.");
    rgi_model_file with = {.model = file->model, .rollout = file->rollout, .dt_s = file->dt_s};
    if (file->fit) {
        json_error_t problem;
        with.fit = json_loads(file->fit, JSON_REJECT_DUPLICATES, &problem);
        if (!json_is_object(with.fit)) {
            const char *what = with.fit ? "it is another value" : problem.text;
            json_decref(with.fit);
            return RG_FAIL(err, RG_ERR_FORMAT, "%s: not written: the fit is not the text of a JSON object: %s.", path,
                           what);
        }
    }
    const rg_status status = rgi_model_file_save(path, &with, err);
    json_decref(with.fit);
    return status;
}

void rg_model_file_clear(rg_model_file *file)
{
    if (!file) return;
    rg_model_destroy(&file->model);
    free(file->fit);
    memset(file, 0, sizeof *file);
}
