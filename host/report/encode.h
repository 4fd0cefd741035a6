/* report/encode.h: recordings as text that is small enough to live inside a page.
 *
 * A coordinate becomes a whole number of tenths of a millimetre, of which the difference to the
 * straight-line forecast 2 a - b from the two frames before is kept, as a zigzag varint (seven
 * bits a byte, low ones first), all of it in base64: about 1.5 characters a coordinate. page.js
 * decodes. */
#ifndef RGI_REPORT_ENCODE_H
#define RGI_REPORT_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* base64 of positions [n_frames][n_markers][3] [m], frame by frame, without the markers whose
 * skip[n_markers] is set (NULL: none). A value that is not finite repeats the frame before (0 in
 * the first); values beyond +-1e6 m are cut there. NULL without memory; else owned: free(). */
char *rgi_encode_positions(const double *positions, size_t n_frames, size_t n_markers, const uint8_t *skip);

#endif
