/* test_layout.c: rg_layout_text against the compiler, and against the headers: all their structs and enumerations,
 * every member, in order, with nothing but padding for alignment between them. A text that lacks a line does not pass.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rodgrad/rodgrad.h"

enum { MOST_BLOCKS = 64, MOST_ENTRIES = 32, NAME = 64, LINE = 160 };

/* a struct with its members, or an enumeration with its constants; of a header names alone */
typedef struct entry {
    char name[NAME], type[NAME];
    size_t at, count;
} entry;

typedef struct block {
    char kind[NAME], name[NAME];
    size_t size;
    int n, listed; /* listed: constants of one of the headers' lists, which are not in `entries` */
    entry entries[MOST_ENTRIES];
} block;

typedef struct layout {
    int n;
    block blocks[MOST_BLOCKS];
} layout;

static const block *find(const layout *l, const char *kind, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (strcmp(l->blocks[i].kind, kind) == 0 && strcmp(l->blocks[i].name, name) == 0) return l->blocks + i;
    return NULL;
}

static block *add_block(layout *l)
{
    if (l->n == MOST_BLOCKS) fail_msg("more than %d structs and enumerations", MOST_BLOCKS);
    return memset(l->blocks + l->n++, 0, sizeof *l->blocks);
}

static entry *add_entry(block *b)
{
    if (b->n == MOST_ENTRIES) fail_msg("%s has more than %d members", b->name, MOST_ENTRIES);
    return memset(b->entries + b->n++, 0, sizeof *b->entries);
}

static void read_text(const char *text, layout *l)
{
    l->n = 0;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        char line[LINE] = "", extra;
        if (end - text >= LINE) fail_msg("a line of %td characters", end - text);
        memcpy(line, text, (size_t)(end - text));
        block *b = l->n > 0 ? l->blocks + l->n - 1 : NULL;
        if (line[0] != ' ') {
            b = add_block(l);
            int n = sscanf(line, "%63s %63s %zu %c", b->kind, b->name, &b->size, &extra);
            if (n != (strcmp(b->kind, "struct") == 0 ? 3 : 2)) fail_msg("\"%s\"", line);
        } else if (b && strcmp(b->kind, "struct") == 0) {
            entry *e = add_entry(b);
            int n = sscanf(line, " %63s %63s %zu %zu %c", e->name, e->type, &e->at, &e->count, &extra);
            if (n != 3 && n != 4) fail_msg("\"%s\"", line);
        } else {
            if (!b) fail_msg("\"%s\" comes first", line);
            entry *e = add_entry(b);
            if (sscanf(line, " %63s %zu %c", e->name, &e->at, &extra) != 2) fail_msg("\"%s\"", line);
        }
    }
    if (*text) fail_msg("the text's last line, \"%s\", has no end", text);
}

/* ---- the headers ---- */

/* the identifier that ends at `end`, without the spaces and the array's size that may follow it */
static void add_name(block *b, const char *from, const char *end)
{
    const char *array = memchr(from, '[', (size_t)(end - from));
    if (array) end = array;
    while (end > from && !isalnum((unsigned char)end[-1]) && end[-1] != '_') end--;
    const char *name = end;
    while (name > from && (isalnum((unsigned char)name[-1]) || name[-1] == '_')) name--;
    size_t length = (size_t)(end - name);
    if (length > 0 && length < NAME) memcpy(add_entry(b)->name, name, length);
}

/* members: declarations end with ';' and may name several; (*name)(...) is a function's. Constants: by commas. */
static void read_body(block *b, const char *body, const char *end)
{
    int is_struct = strcmp(b->kind, "struct") == 0;
    for (const char *stop; body < end; body = stop + 1) {
        stop = memchr(body, is_struct ? ';' : ',', (size_t)(end - body));
        if (!stop) stop = end;
        const char *function = strstr(body, "(*");
        if (function && function < stop) {
            add_name(b, function, strchr(function, ')'));
            continue;
        }
        for (const char *comma; is_struct && (comma = memchr(body, ',', (size_t)(stop - body))); body = comma + 1)
            add_name(b, body, comma);
        add_name(b, body, stop);
    }
}

/* comments, and the preprocessor's lines with what they go on in, become spaces; of enumerations that a list makes
 * nothing is left but their names */
static void blank(char *source)
{
    for (char *c; (c = strstr(source, "/*"));) {
        char *end = strstr(c, "*/");
        assert_non_null(end);
        memset(c, ' ', (size_t)(end + 2 - c));
    }
    for (char *line = source; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (*line != '#') continue;
        for (; *line && *line != '\n'; line++) {
            if (*line == '\\' && line[1] == '\n') line[1] = ' ';
            *line = ' ';
        }
    }
}

static void read_header(const char *name, layout *l)
{
    static char source[100000];
    char path[4096];
    snprintf(path, sizeof path, RODGRAD_SOURCE_DIR "/include/%s", name);
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot read %s", path);
    size_t length = fread(source, 1, sizeof source - 1, file);
    fclose(file);
    assert_true(length < sizeof source - 1);
    source[length] = 0;
    blank(source);
    for (const char *c = source; (c = strstr(c, "typedef ")); c++) {
        block b = {0};
        int open = 0;
        if (sscanf(c, "typedef %63s %63[a-z_] {%n", b.kind, b.name, &open) != 2 || open == 0) continue;
        const char *end = strchr(c, '}');
        assert_non_null(end);
        const char *list = strstr(c, "_LIST(");
        b.listed = list && list < end;
        if (!b.listed) read_body(&b, c + open, end);
        *add_block(l) = b;
    }
}

/* all that rodgrad.h includes */
static const layout *headers(void)
{
    static layout l;
    if (l.n > 0) return &l;
    FILE *file = fopen(RODGRAD_SOURCE_DIR "/include/rodgrad/rodgrad.h", "rb");
    assert_non_null(file);
    for (char line[LINE], name[NAME]; fgets(line, sizeof line, file);)
        if (sscanf(line, "#include \"%63[a-z_/.]\"", name) == 1) read_header(name, &l);
    fclose(file);
    return &l;
}

/* ---- what is wrong with a text; NULL: nothing ---- */

static char wrong[512];
#define WRONG(...) (snprintf(wrong, sizeof wrong, __VA_ARGS__), wrong)

static size_t aligned(size_t at, size_t to) { return (at + to - 1) / to * to; }

/* size and alignment of an element; 0 for a type that there is not */
static size_t measure(const layout *l, const char *type, size_t *alignment)
{
    static const struct {
        const char *name;
        size_t size, alignment;
    } types[] = {{"int", sizeof(int), _Alignof(int)},
                 {"size_t", sizeof(size_t), _Alignof(size_t)},
                 {"uint64_t", sizeof(uint64_t), _Alignof(uint64_t)},
                 {"double", sizeof(double), _Alignof(double)},
                 {"char", 1, 1},
                 {"text", sizeof(char *), _Alignof(char *)},
                 {"pointer", sizeof(void *), _Alignof(void *)}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, type) == 0) {
            *alignment = types[i].alignment;
            return types[i].size;
        }
    const block *b = find(l, "struct", type);
    *alignment = 1;
    for (int i = 0; b && i < b->n; i++) {
        size_t own = 1;
        measure(l, b->entries[i].type, &own);
        if (own > *alignment) *alignment = own;
    }
    return b ? b->size : 0;
}

static const char *check_bytes(const layout *l, const block *b)
{
    size_t end = 0, alignment, most = 1;
    for (int i = 0; i < b->n; i++) {
        const entry *e = b->entries + i;
        size_t size = measure(l, e->type, &alignment);
        if (size == 0) return WRONG("%s.%s is of a type %s", b->name, e->name, e->type);
        if (e->at != aligned(end, alignment))
            return WRONG("%s.%s begins at byte %zu, not %zu", b->name, e->name, e->at, aligned(end, alignment));
        end = e->at + size * (e->count > 0 ? e->count : 1);
        if (alignment > most) most = alignment;
    }
    /* what an older caller has in padding would be a newer library's member */
    if (strcmp(b->entries[0].name, "struct_size") == 0 && b->size != end)
        return WRONG("%s can grow and ends with %zu bytes of padding; append a member that fills them", b->name,
                     b->size - end);
    if (b->size != aligned(end, most)) return WRONG("%s has %zu bytes, its members %zu", b->name, b->size, end);
    return NULL;
}

static const char *check_names(const block *b, const block *declared)
{
    for (int i = 0; i < declared->n || (i < b->n && !declared->listed); i++)
        if (i >= b->n || i >= declared->n || strcmp(b->entries[i].name, declared->entries[i].name) != 0)
            return WRONG("%s has \"%s\" for the header's \"%s\"", b->name, i < b->n ? b->entries[i].name : "",
                         i < declared->n ? declared->entries[i].name : "");
    if (b->n == 0) return WRONG("%s is empty", b->name);
    return NULL;
}

static const char *check(const char *text)
{
    static layout l;
    read_text(text, &l);
    for (int i = 0; i < headers()->n; i++) {
        const block *declared = headers()->blocks + i, *b = find(&l, declared->kind, declared->name);
        if (!b) return WRONG("no %s %s", declared->kind, declared->name);
        if (check_names(b, declared)) return wrong;
        if (strcmp(b->kind, "struct") == 0 && check_bytes(&l, b)) return wrong;
    }
    if (l.n != headers()->n) return WRONG("%d structs and enumerations, not %d", l.n, headers()->n);
    return NULL;
}

/* ---- tests ---- */

static void layout_complete(void **state)
{
    (void)state;
    const char *said = check(rg_layout_text());
    if (said) fail_msg("%s", said);
    assert_ptr_equal(rg_layout_text(), rg_layout_text());
    int structs = 0;
    for (int i = 0; i < headers()->n; i++) structs += strcmp(headers()->blocks[i].kind, "struct") == 0;
    print_message("%d structs and %d enumerations\n", structs, headers()->n - structs);
    assert_in_range(structs, 20, MOST_BLOCKS);
}

/* every line but those of a list's constants is missed */
static void layout_misses(void **state)
{
    (void)state;
    static layout l;
    const char *text = rg_layout_text();
    read_text(text, &l);
    size_t length = strlen(text);
    char *without = malloc(length + 1);
    assert_non_null(without);
    const char *line = text;
    for (int i = 0; i < l.n; i++) {
        const block *declared = find(headers(), l.blocks[i].kind, l.blocks[i].name);
        assert_non_null(declared);
        for (int k = 0; k <= l.blocks[i].n; k++) {
            const char *next = strchr(line, '\n') + 1;
            if (line > text && (k == 0 || !declared->listed)) { /* the first line has none before it to belong to */
                /* a struct goes with its members: they would be another's constants */
                const char *rest = next;
                while (k == 0 && *rest == ' ') rest = strchr(rest, '\n') + 1;
                memcpy(without, text, (size_t)(line - text));
                strcpy(without + (line - text), rest);
                if (!check(without))
                    fail_msg("%s: nothing misses \"%.*s\"", declared->name, (int)(next - line - 1), line);
            }
            line = next;
        }
    }
    free(without);
}

static const entry *entry_of(const layout *l, const char *kind, const char *name, const char *member)
{
    const block *b = find(l, kind, name);
    assert_non_null(b);
    for (int i = 0; i < b->n; i++)
        if (strcmp(b->entries[i].name, member) == 0) return b->entries + i;
    fail_msg("no %s.%s", name, member);
    return NULL;
}

static void layout_values(void **state)
{
    (void)state;
    static layout l;
    read_text(rg_layout_text(), &l);
    assert_int_equal(find(&l, "struct", "rg_batch_opts")->size, sizeof(rg_batch_opts));
    static const struct {
        const char *name, *member, *type;
        size_t at, count;
    } members[] = {
        {"rg_error", "status", "int", offsetof(rg_error, status), 0},
        {"rg_error", "file", "text", offsetof(rg_error, file), 0},
        {"rg_error", "text", "char", offsetof(rg_error, text), 768},
        {"rg_recording", "name", "text", offsetof(rg_recording, name), 0},
        {"rg_recording", "valid", "pointer", offsetof(rg_recording, valid), 0},
        {"rg_context_opts", "allocate", "pointer", offsetof(rg_context_opts, allocate), 0},
        {"rg_context_opts", "executor", "pointer", offsetof(rg_context_opts, executor), 0},
        {"rg_executor", "run", "pointer", offsetof(rg_executor, run), 0},
        {"rg_rollout_opts", "gravity", "double", offsetof(rg_rollout_opts, gravity), 3},
        {"rg_batch_opts", "rollout", "rg_rollout_opts", offsetof(rg_batch_opts, rollout), 0},
        {"rg_batch_plan", "length", "size_t", offsetof(rg_batch_plan, length), 12},
        {"rg_batch_tangents", "fields", "pointer", offsetof(rg_batch_tangents, fields), 0},
        {"rg_fit_opts", "groups", "pointer", offsetof(rg_fit_opts, groups), 0},
        {"rg_fit_opts", "seed", "uint64_t", offsetof(rg_fit_opts, seed), 0},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const entry *e = entry_of(&l, "struct", members[i].name, members[i].member);
        assert_string_equal(e->type, members[i].type);
        assert_int_equal(e->at, members[i].at);
        assert_int_equal(e->count, members[i].count);
    }
    assert_int_equal(entry_of(&l, "enum", "rg_status", "RG_ERR_DEVICE")->at, RG_ERR_DEVICE);
    assert_int_equal(entry_of(&l, "enum", "rg_memory", "RG_MEMORY_DEVICE")->at, RG_MEMORY_DEVICE);
    assert_int_equal(find(&l, "enum", "rg_field")->n, RG_FIELD_COUNT);
    assert_int_equal(find(&l, "enum", "rg_group")->n, RG_GROUP_COUNT);
}

/* a run's structs of floats are those of doubles, member by member: batch_float.c takes one for the other */
static void layout_floats(void **state)
{
    static const char *const names[] = {"rg_batch_inputs",          "rg_batch_outputs",    "rg_batch_tangents",
                                        "rg_batch_tangent_outputs", "rg_batch_cotangents", "rg_batch_gradients"};
    static layout l;
    (void)state;
    read_text(rg_layout_text(), &l);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char name[NAME];
        snprintf(name, sizeof name, "%s_float", names[i]);
        const block *a = find(&l, "struct", names[i]), *b = find(&l, "struct", name);
        assert_non_null(a);
        assert_non_null(b);
        assert_int_equal(a->size, b->size);
        assert_int_equal(a->n, b->n);
        for (int k = 0; k < a->n; k++)
            if (memcmp(&a->entries[k], &b->entries[k], sizeof a->entries[k]) != 0)
                fail_msg("%s.%s is otherwise in %s", names[i], a->entries[k].name, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_complete),
        cmocka_unit_test(layout_misses),
        cmocka_unit_test(layout_values),
        cmocka_unit_test(layout_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
