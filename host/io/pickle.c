/* io/pickle.c: a pickle of nested lists of numbers, parsed and never executed.
 *
 * The reader is a stack machine for the opcodes that Python emits for lists, tuples, floats and
 * ints under protocols 2 to 5. Everything else is an error that names the byte.
 *
 * Bounds: an opcode makes at most one node, so nodes, stack, memo and children together are a
 * constant times the file's size. References to memo entries can repeat a list; what the nested
 * lists expand to is therefore counted before it is stored, and the walk is three levels deep at
 * most, which also ends a list that holds itself. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "io/formats.h"

/* numbers that a file may expand to per byte of it: one float costs 9 bytes, so only a file that
 * repeats parts by reference comes near */
enum { EXPANSION_PER_BYTE = 16 };

enum { AXES = 3 };

typedef enum node_kind { NODE_NUMBER, NODE_LIST, NODE_TUPLE } node_kind;

typedef struct node {
    node_kind kind;
    uint32_t n;        /* children */
    uint32_t capacity; /* of children */
    union {
        double number;
        uint32_t *children; /* indices of nodes */
    } u;
} node;

#define MARK UINT32_MAX

typedef struct machine {
    const uint8_t *bytes;
    size_t size;
    size_t at;     /* next byte */
    size_t opcode; /* offset of the opcode being run */
    const char *name;
    rg_error *err;

    node *nodes;
    size_t n_nodes, nodes_capacity;
    uint32_t *stack;
    size_t n_stack, stack_capacity;
    uint32_t *memo; /* node + 1, 0 = empty */
    size_t memo_capacity, n_memo;
} machine;

/* Grow an array to hold `need` elements; 0 when memory is out. */
static int reserve(void **array, size_t *capacity, size_t need, size_t element)
{
    if (need <= *capacity) return 1;
    size_t grown = *capacity < 16 ? 16 : *capacity;
    while (grown < need) {
        if (grown > SIZE_MAX / 2 / element) return 0;
        grown *= 2;
    }
    void *moved = realloc(*array, grown * element);
    if (moved == NULL) return 0;
    *array = moved;
    *capacity = grown;
    return 1;
}

static rg_status no_memory(const machine *m)
{
    return RG_FAIL(m->err, RG_ERR_MEMORY, "%s: out of memory at byte %zu.", m->name, m->opcode);
}

static rg_status ends_early(const machine *m)
{
    return RG_FAIL(m->err, RG_ERR_FORMAT,
                   "%s: the pickle ends early, at byte %zu; copy the file again from its source.", m->name, m->size);
}

static rg_status bad(const machine *m, const char *what)
{
    return RG_FAIL(m->err, RG_ERR_FORMAT, "%s: %s at byte %zu; this is not a sound pickle.", m->name, what, m->opcode);
}

static rg_status push(machine *m, uint32_t value)
{
    void *stack = m->stack;
    if (!reserve(&stack, &m->stack_capacity, m->n_stack + 1, sizeof *m->stack)) return no_memory(m);
    m->stack = stack;
    m->stack[m->n_stack++] = value;
    return RG_OK;
}

static rg_status push_node(machine *m, node_kind kind, node **made)
{
    void *nodes = m->nodes;
    if (!reserve(&nodes, &m->nodes_capacity, m->n_nodes + 1, sizeof *m->nodes)) return no_memory(m);
    m->nodes = nodes;
    node *fresh = &m->nodes[m->n_nodes];
    memset(fresh, 0, sizeof *fresh);
    fresh->kind = kind;
    RG_TRY(push(m, (uint32_t)m->n_nodes));
    m->n_nodes++;
    *made = fresh;
    return RG_OK;
}

static rg_status push_number(machine *m, double number)
{
    node *made = NULL;
    RG_TRY(push_node(m, NODE_NUMBER, &made));
    made->u.number = number;
    return RG_OK;
}

static rg_status adopt(machine *m, node *parent, const uint32_t *children, size_t n)
{
    if (n == 0) return RG_OK;
    for (size_t i = 0; i < n; i++) {
        if (children[i] == MARK) return bad(m, "a mark where a value is due");
    }
    size_t capacity = parent->capacity;
    void *array = parent->u.children;
    if (n > UINT32_MAX / 2 - parent->n) return bad(m, "a list too long");
    if (!reserve(&array, &capacity, parent->n + n, sizeof *children)) return no_memory(m);
    parent->u.children = array;
    parent->capacity = (uint32_t)capacity;
    memcpy(parent->u.children + parent->n, children, n * sizeof *children);
    parent->n += (uint32_t)n;
    return RG_OK;
}

/* `n` little-endian bytes after the opcode, as an unsigned number. */
static rg_status read_unsigned(machine *m, size_t n, uint64_t *value)
{
    if (m->size - m->at < n) return ends_early(m);
    *value = 0;
    for (size_t i = 0; i < n; i++) *value |= (uint64_t)m->bytes[m->at + i] << (8 * i);
    m->at += n;
    return RG_OK;
}

static rg_status op_float(machine *m)
{
    if (m->size - m->at < 8) return ends_early(m);
    uint64_t bits = 0; /* big endian, unlike every other number in a pickle */
    for (size_t i = 0; i < 8; i++) bits = bits << 8 | m->bytes[m->at + i];
    m->at += 8;
    double number;
    memcpy(&number, &bits, sizeof number);
    return push_number(m, number);
}

static rg_status op_int(machine *m, size_t n)
{
    uint64_t value = 0;
    RG_TRY(read_unsigned(m, n, &value));
    return push_number(m, n == 4 ? (double)(int32_t)(uint32_t)value : (double)value);
}

/* A long of `n_length` bytes of length; two's complement, at most 8 bytes. */
static rg_status op_long(machine *m, size_t n_length)
{
    uint64_t length = 0, value = 0;
    RG_TRY(read_unsigned(m, n_length, &length));
    if (length > 8) return bad(m, "an integer of more than 64 bits");
    RG_TRY(read_unsigned(m, (size_t)length, &value));
    if (length > 0 && length < 8 && (value >> (8 * length - 1)) & 1) { value |= UINT64_MAX << (8 * length); }
    return push_number(m, (double)(int64_t)value);
}

/* Position on the stack just after the topmost mark; 0 when there is none. */
static size_t after_mark(const machine *m)
{
    size_t i = m->n_stack;
    while (i > 0 && m->stack[i - 1] != MARK) i--;
    return i;
}

/* Make a sequence of the `n` topmost values. */
static rg_status collect(machine *m, node_kind kind, size_t n, size_t drop)
{
    if (m->n_stack < n + drop) return bad(m, "a sequence of more values than there are");
    uint32_t index = (uint32_t)m->n_nodes;
    node *made = NULL;
    RG_TRY(push_node(m, kind, &made));
    m->n_stack--;
    RG_TRY(adopt(m, made, m->stack + m->n_stack - n, n));
    m->n_stack -= n + drop;
    return push(m, index);
}

static rg_status collect_to_mark(machine *m, node_kind kind)
{
    size_t first = after_mark(m);
    if (first == 0) return bad(m, "a sequence without a mark");
    return collect(m, kind, m->n_stack - first, 1);
}

/* Append the values from stack position `first` on to the list below them (and below `drop` marks).
 */
static rg_status append(machine *m, size_t first, size_t drop)
{
    if (first < 1 + drop || first > m->n_stack) return bad(m, "an append without a list");
    uint32_t list = m->stack[first - drop - 1];
    if (list == MARK || m->nodes[list].kind != NODE_LIST) return bad(m, "an append to no list");
    RG_TRY(adopt(m, &m->nodes[list], m->stack + first, m->n_stack - first));
    m->n_stack = first - drop;
    return RG_OK;
}

static rg_status memo_put(machine *m, uint64_t index)
{
    if (m->n_stack == 0 || m->stack[m->n_stack - 1] == MARK) return bad(m, "a memo of nothing");
    /* Python numbers its memo from 0 up, an entry an opcode: a larger index is not from there */
    if (index >= m->size) return bad(m, "a memo index beyond the size of the file");
    size_t before = m->memo_capacity;
    void *memo = m->memo;
    if (!reserve(&memo, &m->memo_capacity, (size_t)index + 1, sizeof *m->memo)) return no_memory(m);
    m->memo = memo;
    if (m->memo_capacity > before) { memset(m->memo + before, 0, (m->memo_capacity - before) * sizeof *m->memo); }
    if (m->memo[index] == 0) m->n_memo++;
    m->memo[index] = m->stack[m->n_stack - 1] + 1;
    return RG_OK;
}

static rg_status memo_get(machine *m, size_t n_index)
{
    uint64_t index = 0;
    RG_TRY(read_unsigned(m, n_index, &index));
    if (index >= m->memo_capacity || m->memo[index] == 0) return bad(m, "an unset memo entry");
    return push(m, m->memo[index] - 1);
}

static rg_status op_frame(machine *m)
{
    uint64_t length = 0;
    RG_TRY(read_unsigned(m, 8, &length));
    return length > m->size - m->at ? ends_early(m) : RG_OK;
}

static rg_status op_proto(machine *m)
{
    uint64_t protocol = 0;
    RG_TRY(read_unsigned(m, 1, &protocol));
    if (protocol < 2 || protocol > 5) {
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: pickle protocol %u at byte %zu is not read; save it with protocol 4.", m->name,
                       (unsigned)protocol, m->opcode);
    }
    return RG_OK;
}

/* Refuse an opcode, saying what it is where that helps. */
static rg_status refuse(const machine *m, uint8_t opcode)
{
    static const uint8_t objects[] = {'c',  'i',  'o',  'R',  'b',  'P',  'Q', 0x81,
                                      0x82, 0x83, 0x84, 0x92, 0x93, 0x97, 0x98};
    for (size_t i = 0; i < sizeof objects; i++) {
        if (opcode != objects[i]) continue;
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: the pickle asks for a Python object (opcode 0x%02x at byte %zu), which is "
                       "never executed; save nested lists of numbers (array.tolist()) or an NPY file.",
                       m->name, opcode, m->opcode);
    }
    static const uint8_t texts[] = {'S', 'T', 'U', 'V', 'X', 'B', 'C', 0x8c, 0x8d, 0x8e, 0x96};
    for (size_t i = 0; i < sizeof texts; i++) {
        if (opcode != texts[i]) continue;
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: the pickle holds text or bytes (opcode 0x%02x at byte %zu), as those of "
                       "Python objects do; save nested lists of numbers (array.tolist()) or an NPY "
                       "file.",
                       m->name, opcode, m->opcode);
    }
    if (opcode == 'N') {
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: None instead of a coordinate at byte %zu; fill the gap or cut the "
                       "recording there.",
                       m->name, m->opcode);
    }
    return RG_FAIL(m->err, RG_ERR_FORMAT,
                   "%s: opcode 0x%02x at byte %zu is not one of a pickle of nested lists of numbers.", m->name, opcode,
                   m->opcode);
}

/* Run one opcode; *done on STOP. */
static rg_status run_opcode(machine *m, int *done)
{
    node *made = NULL;
    uint64_t index = 0;
    uint8_t opcode = m->bytes[m->at++];
    switch (opcode) {
    case 0x80: return op_proto(m);                    /* PROTO */
    case 0x95: return op_frame(m);                    /* FRAME */
    case ']': return push_node(m, NODE_LIST, &made);  /* EMPTY_LIST */
    case ')': return push_node(m, NODE_TUPLE, &made); /* EMPTY_TUPLE */
    case '(': return push(m, MARK);                   /* MARK */
    case 'l': return collect_to_mark(m, NODE_LIST);   /* LIST */
    case 't': return collect_to_mark(m, NODE_TUPLE);  /* TUPLE */
    case 0x85: return collect(m, NODE_TUPLE, 1, 0);   /* TUPLE1 */
    case 0x86: return collect(m, NODE_TUPLE, 2, 0);   /* TUPLE2 */
    case 0x87: return collect(m, NODE_TUPLE, 3, 0);   /* TUPLE3 */
    case 'a':                                         /* APPEND */
        if (m->n_stack == 0) return bad(m, "an append without a list");
        return append(m, m->n_stack - 1, 0);
    case 'e': return append(m, after_mark(m), 1); /* APPENDS */
    case 'G': return op_float(m);                 /* BINFLOAT */
    case 'J': return op_int(m, 4);                /* BININT */
    case 'K': return op_int(m, 1);                /* BININT1 */
    case 'M': return op_int(m, 2);                /* BININT2 */
    case 0x8a: return op_long(m, 1);              /* LONG1 */
    case 0x8b: return op_long(m, 4);              /* LONG4 */
    case 0x94: return memo_put(m, m->n_memo);     /* MEMOIZE */
    case 'q': /* BINPUT */ RG_TRY(read_unsigned(m, 1, &index)); return memo_put(m, index);
    case 'r': /* LONG_BINPUT */ RG_TRY(read_unsigned(m, 4, &index)); return memo_put(m, index);
    case 'h': return memo_get(m, 1); /* BINGET */
    case 'j': return memo_get(m, 4); /* LONG_BINGET */
    case '.': /* STOP */ *done = 1; return RG_OK;
    default: return refuse(m, opcode);
    }
}

static rg_status run(machine *m)
{
    if (m->size >= UINT32_MAX / 2) {
        return RG_FAIL(m->err, RG_ERR_UNSUPPORTED, "%s: pickles of 2 GiB or more are not read.", m->name);
    }
    if (m->size < 2 || m->bytes[0] != 0x80) {
        return RG_FAIL(m->err, RG_ERR_FORMAT, "%s: this is not a pickle of protocol 2 to 5 (byte 0).", m->name);
    }
    int done = 0;
    while (!done) {
        m->opcode = m->at;
        if (m->at >= m->size) return ends_early(m);
        RG_TRY(run_opcode(m, &done));
    }
    if (m->n_stack != 1 || m->stack[0] == MARK) return bad(m, "an end that leaves no single value");
    if (m->at != m->size) {
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: %zu byte%s follow%s the end of the pickle at byte %zu; a file holds one.", m->name,
                       m->size - m->at, rgi_plural(m->size - m->at), m->size - m->at == 1 ? "s" : "", m->opcode);
    }
    return RG_OK;
}

static rg_status numbers_of_axis(const machine *m, uint32_t index, size_t frame, size_t axis, rgi_motion *out)
{
    const node *list = &m->nodes[index];
    if (list->kind == NODE_NUMBER) {
        return RG_FAIL(m->err, RG_ERR_SHAPE,
                       "%s: frame %zu, axis %zu is a number where a list of markers is due "
                       "([frame][axis][marker]).",
                       m->name, frame, axis);
    }
    if (list->n != out->n_markers) {
        return RG_FAIL(m->err, RG_ERR_SHAPE,
                       "%s: frame %zu, axis %zu has %u marker%s, the first frame has %zu; all frames "
                       "need the same.",
                       m->name, frame, axis, (unsigned)list->n, rgi_plural(list->n), out->n_markers);
    }
    for (size_t i = 0; i < list->n; i++) {
        const node *leaf = &m->nodes[list->u.children[i]];
        if (leaf->kind != NODE_NUMBER) {
            return RG_FAIL(m->err, RG_ERR_SHAPE,
                           "%s: frame %zu, axis %zu, marker %zu is a list where a number is due "
                           "([frame][axis][marker]).",
                           m->name, frame, axis, i);
        }
        out->positions[(frame * out->n_markers + i) * AXES + axis] = leaf->u.number;
    }
    return RG_OK;
}

/* [frame][axis][marker] of nodes to [frame][marker][axis] of numbers. */
static rg_status extract(const machine *m, rgi_motion *out)
{
    const node *root = &m->nodes[m->stack[0]];
    if (root->kind == NODE_NUMBER || root->n == 0) {
        return RG_FAIL(m->err, RG_ERR_SHAPE, "%s: the pickle holds no list of frames.", m->name);
    }
    out->n_frames = root->n;
    for (size_t frame = 0; frame < root->n; frame++) {
        const node *axes = &m->nodes[root->u.children[frame]];
        if (axes->kind == NODE_NUMBER || axes->n != AXES) {
            return RG_FAIL(m->err, RG_ERR_SHAPE, "%s: frame %zu is not a list of 3 lists (x, y, z of all markers).",
                           m->name, frame);
        }
    }
    const node *first = &m->nodes[m->nodes[root->u.children[0]].u.children[0]];
    if (first->kind == NODE_NUMBER || first->n == 0) {
        return RG_FAIL(m->err, RG_ERR_SHAPE, "%s: frame 0, axis 0 is not a list of markers.", m->name);
    }
    out->n_markers = first->n;

    /* both factors are below 2^31, so the product fits */
    uint64_t numbers = (uint64_t)out->n_frames * out->n_markers;
    if (numbers > (uint64_t)m->size * EXPANSION_PER_BYTE / AXES) {
        return RG_FAIL(m->err, RG_ERR_FORMAT,
                       "%s: %zu bytes stand for %llu coordinates by repeating parts; save the frames "
                       "as separate lists.",
                       m->name, m->size, (unsigned long long)(numbers * AXES));
    }
    out->positions = malloc((size_t)numbers * AXES * sizeof *out->positions);
    if (out->positions == NULL) return no_memory(m);
    for (size_t frame = 0; frame < root->n; frame++) {
        const node *axes = &m->nodes[root->u.children[frame]];
        for (size_t axis = 0; axis < AXES; axis++) {
            RG_TRY(numbers_of_axis(m, axes->u.children[axis], frame, axis, out));
        }
    }
    return RG_OK;
}

rg_status rgi_pickle_parse(const void *bytes, size_t size, const char *name, rgi_motion *out, rg_error *err)
{
    machine m = {.bytes = bytes, .size = size, .name = name, .err = err};
    memset(out, 0, sizeof *out);
    rg_status status = run(&m);
    if (status == RG_OK) status = extract(&m, out);
    if (status != RG_OK) {
        free(out->positions);
        memset(out, 0, sizeof *out);
    }
    for (size_t i = 0; i < m.n_nodes; i++) {
        if (m.nodes[i].kind != NODE_NUMBER) free(m.nodes[i].u.children);
    }
    free(m.nodes);
    free(m.stack);
    free(m.memo);
    return status;
}
