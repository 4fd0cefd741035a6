/* report/page.c: puts the data into the page: page.html with the style, the data and the scripts
 * at its three marks.
 *
 * The data is ASCII without "<", ">" and "&" (they are \u003c and so on in JSON strings), so no
 * file name can end the script element that holds it. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>

#include "io/atomic_file.h"
#include "report_assets.h"

typedef struct part {
    const unsigned char *bytes;
    const size_t *size;
} part;

/* in the order in which they use each other */
static const part scripts[] = {{rgi_page_chart_js, &rgi_page_chart_js_size},
                               {rgi_page_view_js, &rgi_page_view_js_size},
                               {rgi_page_heat_js, &rgi_page_heat_js_size},
                               {rgi_page_fit_js, &rgi_page_fit_js_size},
                               {rgi_page_js, &rgi_page_js_size}};

static int write_data(FILE *stream, const char *json)
{
    while (*json) {
        size_t plain = strcspn(json, "<>&");
        if (fwrite(json, 1, plain, stream) != plain) return 0;
        json += plain;
        if (*json && fprintf(stream, "\\u%04x", (unsigned)(unsigned char)*json++) < 0) return 0;
    }
    return 1;
}

/* what stands for the mark that begins at `mark`; returns the mark's length, 0 when it is none */
static size_t write_mark(FILE *stream, const char *mark, const char *json, int *fine)
{
    static const char css[] = "<!--rodgrad:css-->", data[] = "<!--rodgrad:data-->", script[] = "<!--rodgrad:script-->";
    if (strncmp(mark, css, sizeof css - 1) == 0) {
        *fine = fwrite(rgi_page_css, 1, rgi_page_css_size, stream) == rgi_page_css_size;
        return sizeof css - 1;
    }
    if (strncmp(mark, data, sizeof data - 1) == 0) {
        *fine = write_data(stream, json);
        return sizeof data - 1;
    }
    if (strncmp(mark, script, sizeof script - 1) != 0) return 0;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts && *fine; i++)
        *fine = fwrite(scripts[i].bytes, 1, *scripts[i].size, stream) == *scripts[i].size;
    return sizeof script - 1;
}

static int write_page(FILE *stream, const char *json)
{
    const char *at = (const char *)rgi_page_html;
    int fine = 1;
    while (fine && *at) {
        const char *mark = strstr(at, "<!--rodgrad:");
        size_t plain = mark ? (size_t)(mark - at) : strlen(at);
        fine = fwrite(at, 1, plain, stream) == plain;
        at += plain;
        if (!fine || !mark) continue;
        size_t length = write_mark(stream, mark, json, &fine);
        if (length == 0) fine = fputc(*at, stream) != EOF; /* a comment that is no mark of ours */
        at += length ? length : 1;
    }
    return fine;
}

rg_status rgi_report_write(const char *path, json_t *data, size_t *bytes, rg_error *err)
{
    char *json = json_dumps(data, JSON_COMPACT | JSON_ENSURE_ASCII);
    if (!json) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the data of %s.", path);
    rgi_atomic_file file = {0};
    rg_status status = rgi_atomic_open(&file, path, 1, err);
    if (status == RG_OK) {
        /* a short write is seen, and explained, by the commit */
        int fine = write_page(file.stream, json);
        long end = ftell(file.stream);
        if (bytes) *bytes = fine && end > 0 ? (size_t)end : 0;
        status = rgi_atomic_commit(&file, err);
    }
    free(json);
    return status;
}
