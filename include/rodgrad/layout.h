/* rodgrad/layout.h: the public structs and enumerations of the library that runs, as text.
 *
 * For layers over librodgrad.so in other languages, which declare their structs by it instead of by hand (python/ does)
 * and see at run time whether what they need is there. One line for each struct with its size, then one for each of its
 * members in order, with its type, its offset and, for an array, its number of elements; sizes and offsets in bytes.
 * Then one line for each enumeration, and one for each of its constants with its value. Members and constants are
 * indented, words are separated by one space:
 *
 *   struct rg_batch_tangents 184
 *     x0 pointer 0
 *     ...
 *     fields pointer 48 17
 *   enum rg_status
 *     RG_OK 0
 *     RG_ERR_ARGUMENT 1
 *
 * Types are int (an enumeration too), size_t, uint64_t (unsigned long long), double, char (of arrays that hold text),
 * text (const char *, char *), pointer (any other, to a function too), and the names of structs above. All structs that
 * a caller fills or reads are there, and none of those behind a pointer that only the library looks into (rg_model). */
#ifndef RODGRAD_LAYOUT_H
#define RODGRAD_LAYOUT_H

#ifdef __cplusplus
extern "C" {
#endif

/* The text, never NULL, every line ended by a newline. Static storage, the same at every call. Thread-safe. */
const char *rg_layout_text(void);

#ifdef __cplusplus
}
#endif
#endif
