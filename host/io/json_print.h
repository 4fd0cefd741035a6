/* io/json_print.h: JSON laid out for people, with numbers that read back exactly. */
#ifndef RGI_JSON_PRINT_H
#define RGI_JSON_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Print `value` and a newline: long lists are filled into lines, a real has the fewest digits (15
 * to 17) that give the same double. 1 when printed; 0 without memory or where the stream fails. */
int rgi_json_print(FILE *stream, json_t *value);

#endif
